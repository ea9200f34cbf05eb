"""Operating curves, worked by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet import rules
from calexnet.analysis import curves, operating
from calexnet.costs import Macs
from calexnet.gating import NEVER, ExitTable
from calexnet.registry import Part
from calexnet.sweep.results import Answered, Answers
from tests.support.sample_cells import MACS, answers, axes, save

#: Two branches and the backbone on four images of class 0.
TEST = Answered(
    ExitTable(
        np.array([[0, 1, 0, 1], [0, 0, 1, 1], [0, 0, 0, 1]], np.int32),
        np.array([[0.9, 0.8, 0.3, 0.2], [0.9, 0.6, 0.7, 0.1], [0.9, 0.9, 0.9, 0.9]], np.float32),
    ),
    np.zeros(4, np.int32),
    np.arange(4, dtype=np.int32),
)
TABLES = [np.full((2, 2), t, np.float32) for t in (NEVER, 0.65, 0.0)]


def test_a_curve_worked_by_hand() -> None:
    found = curves.judged(np.array([0.0, 1.0, 2.0]), TABLES, TEST, Macs((4, 4, 2), (1, 1), (0, 0)))

    # Nobody leaves; 0.9 and 0.8 leave at 1 and 0.7 at 2; everybody leaves at 1.
    np.testing.assert_array_equal([[3, 3, 3, 3], [1, 1, 2, 3], [1, 1, 1, 1]], found.exits)
    np.testing.assert_array_equal([0.75, 0.25, 0.5], found.accuracy)
    np.testing.assert_array_equal([True, True, True, False], found.backbone_right)
    # To exits 1, 2, 3: 4 + 1, 8 + 2, 10 + 2 of 10; with the own head only 5, 9, 10.
    np.testing.assert_allclose([-0.2, (0.5 + 0.5 + 0 - 0.2) / 4, 0.5], found.saved().mean(1))
    np.testing.assert_allclose(
        [0, (0.5 + 0.5 + 0.1 + 0) / 4, 0.5], found.saved(own_head_only=True).mean(1)
    )


@pytest.mark.parametrize(
    ("target", "expected"),
    [(0.0, 0.9), (0.1, 0.85), (0.2, 0.8), (0.3, 0.7), (0.4, 0.6), (-0.1, None), (0.41, None)],
)
def test_between_settings_a_curve_is_linear_and_beyond_them_it_is_nothing(
    target: float, expected: float | None
) -> None:
    # Two settings save 0.2: they count with the mean of 0.9 and 0.7.
    saved, accuracy = np.array([0.4, 0.0, 0.2, 0.2]), np.array([0.6, 0.9, 0.9, 0.7])

    found = curves.at_savings(saved, accuracy, [target])[0]

    assert math.isnan(found) if expected is None else pytest.approx(expected) == found


def test_a_clamped_curve_goes_on_from_its_ends() -> None:
    saved, accuracy = np.array([0.1, 0.3]), np.array([0.9, 0.7])

    found = curves.at_savings(saved, accuracy, [0.0, 0.9], clamp=True)

    assert [0.9, 0.7] == found.tolist()


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1), st.floats(0, 1))
def test_an_interpolated_accuracy_lies_between_those_of_the_settings(
    points: list[tuple[float, float]], target: float
) -> None:
    saved, accuracy = np.array(points).T

    found = curves.at_savings(saved, accuracy, [target], clamp=True)[0]

    assert accuracy.min() - 1e-9 <= found <= accuracy.max() + 1e-9


@pytest.mark.parametrize("rule", ["cpm", "threshold", "budget"])
def test_a_cells_curve_runs_over_the_rules_dense_settings(tmp_path: Path, rule: str) -> None:
    cell = save(axes(), answers(), tmp_path, rule=Part(rule))

    found = curves.curve(cell)

    assert set(rules.build(Part(rule)).grid) <= set(found.settings.tolist())
    assert (np.diff(found.settings) > 0).all()
    assert (len(found.settings), 400) == found.right.shape == found.exits.shape
    saved = found.saved().mean(1)
    assert saved.min() < 0.05
    assert saved.max() > 0.5


def test_a_threshold_curve_has_no_gap_where_scores_crowd(tmp_path: Path) -> None:
    known = answers()
    for part in (known.calibration, known.test):
        part.table.scores[:-1] **= 40  # most of them far below the grid's first step
    cell = save(axes("pteenet"), known, tmp_path, rule=Part("threshold"))

    saved = np.sort(curves.curve(cell).saved().mean(1))

    assert np.diff(saved).max() < 0.05


def test_cross_fitted_each_half_is_judged_by_the_other_worked_by_hand(tmp_path: Path) -> None:
    # A budget of 1 lets half of the images leave at the one branch. Of the even images that is a
    # threshold of 0.7, midway between 0.9 and 0.5; of the odd ones 0.4, between 0.6 and 0.2.
    scores = np.array([[0.9, 0.6, 0.5, 0.2], [1.0] * 4], np.float32)
    table = ExitTable(np.array([[0, 0, 0, 1], [0, 1, 1, 1]], np.int32), scores)
    known = Answered(table, np.array([0, 0, 1, 1], np.int32), np.arange(4, dtype=np.int32))
    one_branch = {"rule": Part("budget"), "macs": Macs((4, 6), (1,), (0,))}
    cell = save(axes(), Answers(known, known), tmp_path, **one_branch)

    found = curves.crossfitted(cell)

    at = found.settings.tolist().index(1.0)
    # So both even images clear the odd ones' threshold, and no odd image the even ones'.
    assert [1, 2, 1, 2] == found.exits[at].tolist()
    assert [True, False, False, True] == found.right[at].tolist()
    assert [True, False, True, True] == found.backbone_right.tolist()


def test_cross_fitting_does_not_look_at_the_test_part(tmp_path: Path) -> None:
    one, other = answers(), answers(7)
    first = curves.crossfitted(save(axes(seed=0), one, tmp_path))
    mixed = Answers(one.calibration, other.test)

    second = curves.crossfitted(save(axes(seed=1), mixed, tmp_path))

    np.testing.assert_array_equal(first.right, second.right)
    np.testing.assert_array_equal(first.exits, second.exits)


def test_thresholds_do_not_see_the_test_part(tmp_path: Path) -> None:
    one = answers()
    shuffled = Answered(
        one.test.table, np.random.default_rng(0).permutation(one.test.truth), one.test.positions
    )
    other = type(one)(one.calibration, shuffled)

    first = curves.curve(save(axes(seed=0), one, tmp_path))
    second = curves.curve(save(axes(seed=1), other, tmp_path))

    np.testing.assert_array_equal(first.exits, second.exits)
    assert not np.array_equal(first.right, second.right)


@pytest.mark.parametrize("saving", [0.2, 0.45])
def test_an_operating_point_is_picked_by_what_it_saves_in_calibration(
    tmp_path: Path, saving: float
) -> None:
    cell = save(axes("ztw"), answers(count=4000), tmp_path)

    found = operating.near(cell, saving)

    assert pytest.approx(saving, abs=0.05) == found.saved
    saved = 1 - MACS.to_exit()[found.exits - 1].mean() / MACS.plain
    assert pytest.approx(saved) == found.saved
