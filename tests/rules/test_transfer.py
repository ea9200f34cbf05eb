"""Thresholds carried over to a build whose scores are slightly others."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.gating import NEVER, ExitTable, choose_exits
from calexnet.rules.cpm import CpmRule
from calexnet.rules.transfer import carried, surely_worse

FULL = [0.9, 0.8, 0.6, 0.4]


def one_branch(scores: list[float], labels: list[int] | None = None) -> ExitTable:
    """Return a table of one branch and a backbone that says 0."""
    row = np.array(labels or [0] * len(scores), np.int32)
    last = np.zeros(len(scores), np.int32)
    return ExitTable(
        np.stack([row, last]), np.array([scores, [1.0] * len(scores)], dtype=np.float32)
    )


def at(threshold: float, found: list[float], full: list[float] = FULL) -> float:
    table = carried(np.array([[threshold]], np.float32), one_branch(full), one_branch(found))
    return float(table[0, 0])


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.7, 0.65),  # half way between the second and the third
        (0.75, 0.675),  # a quarter of the way
        (0.8, 0.7),  # a score itself: it still leaves
        (0.95, 0.85),  # over all of them by 0.05
        (0.3, 0.2),  # under all of them by 0.1
        (NEVER, NEVER),
        (-np.inf, -np.inf),
    ],
)
def test_a_threshold_keeps_its_place_among_the_scores(threshold: float, expected: float) -> None:
    # In whatever order the samples come.
    assert pytest.approx(expected, abs=1e-6) == at(threshold, [0.3, 0.7, 0.8, 0.6])


def test_equal_scores_leave_together_or_stay_together() -> None:
    """Two of four are to leave: coarse scores allow one or four, and one is as near or nearer."""
    coarse = [0.9, 0.6, 0.6, 0.6]

    found = at(0.7, coarse)

    assert 0.6 < found <= 0.9


def test_scores_that_say_nothing_leave_thresholds_as_they_are() -> None:
    assert pytest.approx(0.7) == at(0.7, [np.nan] * 4)


SCORES = st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40, unique=True)


@given(SCORES, st.integers(0, 40), st.randoms())
def test_as_many_leave_as_before(scores: list[float], place: int, random: st.DataObject) -> None:
    """Whatever the other build makes of distinct scores, in whatever order."""
    falling = sorted(scores, reverse=True)
    threshold = falling[min(place, len(falling) - 1)]
    other = [np.float32(score) ** 2 * np.float32(0.5) for score in scores]
    distinct = len(set(map(float, other))) == len(other)

    found = at(threshold, [float(score) for score in other], scores)

    if distinct:
        left = sum(score >= np.float32(threshold) for score in np.array(scores, np.float32))
        assert left == sum(score >= np.float32(found) for score in other)


@given(SCORES, st.floats(0, 1, width=32))
def test_a_build_with_the_same_scores_lets_out_the_same_samples(
    scores: list[float], threshold: float
) -> None:
    table, bars = one_branch(scores), np.array([[threshold]], np.float32)

    found = carried(bars, table, table)

    assert choose_exits(table, bars).tolist() == choose_exits(table, found).tolist()


def digits(backbone_right: int) -> tuple[ExitTable, NDArray[np.int64]]:
    """Return 343 samples; a branch right on its surest 299 but one, a backbone on so many."""
    samples = np.arange(343)
    truth = samples % 10
    branch = (truth + ((samples >= 299) | (samples == 200))) % 10
    backbone = (truth + (samples >= backbone_right)) % 10
    scores = np.stack([np.linspace(1.0, 0.3, 343), np.ones(343)]).astype(np.float32)
    return ExitTable(np.stack([branch, backbone]).astype(np.int32), scores), truth


def test_one_more_right_answer_of_the_backbone_no_longer_closes_a_branch() -> None:
    """The fault: margin 0 asks a precision that 343 samples cannot show, if plain is right on 342.

    Found anew, the narrow build lets nobody out; carried over, the same 299 leave.
    """
    (full, truth), (narrow, _) = digits(340), digits(342)
    rule = CpmRule()
    bars = rule.calibrate(full, truth, 10, 0.0)
    assert 299 == (choose_exits(full, bars) == 1).sum()
    assert 0 == (choose_exits(narrow, rule.calibrate(narrow, truth, 10, 0.0)) == 1).sum()

    found = carried(bars, full, narrow)

    assert 299 == (choose_exits(narrow, found) == 1).sum()
    assert not surely_worse(full, bars, narrow, found, truth)


@pytest.mark.parametrize(("spoilt", "expected"), [(4, False), (5, True)])
def test_a_branch_that_narrowing_spoils_is_found(spoilt: int, expected: bool) -> None:
    """Five of five differences for the worse: 1/32 is under 5 %; four of four, 1/16, is not."""
    full = one_branch([0.9] * 20)
    narrow = one_branch([0.9] * 20, [1] * spoilt + [0] * (20 - spoilt))
    bars = np.array([[0.5, 0.5]], np.float32)

    assert expected == surely_worse(full, bars, narrow, bars, np.zeros(20, np.int64))


def test_accuracy_that_the_backbone_loses_too_is_not_the_branchs_fault() -> None:
    full, bars = one_branch([0.9] * 20), np.array([[0.5, 0.5]], np.float32)
    labels = np.ones((2, 20), np.int32)

    worse = surely_worse(full, bars, ExitTable(labels, full.scores), bars, np.zeros(20, np.int64))

    assert not worse
