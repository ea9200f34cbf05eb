"""What is timed of one subject: where half of a batch is to leave."""

# The expected value comes first in every comparison.
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.subject import middle


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.25, 0.75], 0.5),
        ([0.0, 0.5, 1.0, 1.0], 0.75),
        ([1.0, 1.0, 1.0, 0.0], 0.5),
        ([0.5, 0.5], None),
        ([np.nan, 0.5], None),
        ([np.nan, 0.25, 0.75], 0.5),
    ],
)
def test_half_of_the_scores_reach_the_threshold(
    scores: list[float], expected: float | None
) -> None:
    assert expected == middle(np.array(scores, np.float32))


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=40, unique=True))
def test_of_scores_that_differ_about_half_leave(raw: list[float]) -> None:
    scores = np.array(raw, np.float32)

    threshold = middle(scores)

    assert threshold is not None
    assert abs(int((scores >= threshold).sum()) - len(raw) / 2) <= 1
