"""One threshold for all branches and classes."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.gating import choose_exits
from calexnet.rules.threshold import ThresholdRule
from tests.rules.cases import table


def test_the_setting_is_every_threshold_whatever_the_answers() -> None:
    truth = np.array([0, 1, 2])
    exits = table([[0, 0, 0], [1, 1, 1], [0, 1, 2]], [[0.9, 0.1, 0.5], [0.9, 0.1, 0.5]])

    found = ThresholdRule().calibrate(exits, truth, 3, 0.7)

    assert np.array_equal(np.full((2, 3), 0.7, np.float32), found)


@pytest.mark.parametrize(("setting", "expected"), [(0.5, [1, 1, 3]), (0.50001, [1, 2, 3])])
def test_a_score_at_the_threshold_leaves(setting: float, expected: list[int]) -> None:
    truth = np.array([0, 0, 0])
    exits = table([[0] * 3] * 3, [[0.9, 0.5, 0.1], [0.9, 0.6, 0.2]])

    assert (
        expected
        == choose_exits(exits, ThresholdRule().calibrate(exits, truth, 1, setting)).tolist()
    )


def test_the_grid_is_every_hundredth_and_finer_near_one() -> None:
    assert ThresholdRule.grid[:100] == tuple(k / 100 for k in range(100))
    assert ThresholdRule.grid[100:] == (0.995, 0.998, 0.999, 0.9995, 0.9999, 1.0)
