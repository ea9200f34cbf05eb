"""The gate in numpy: which exit each sample takes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.gating import (
    NEVER,
    ExitTable,
    choose_exits,
    chosen_labels,
    exit_rates,
    forcing,
    leaves,
    passes,
)

CLASSES = 3
# A coarse grid makes equal scores and thresholds common.
GRID = st.sampled_from(np.linspace(-1, 1, 9, dtype=np.float32).tolist())
SCORE = GRID | st.floats(width=32)
Case = tuple[ExitTable, NDArray[np.float32]]


@st.composite
def cases(draw: st.DrawFn, score: st.SearchStrategy[float] = SCORE) -> Case:
    branches, samples = draw(st.integers(0, 3)), draw(st.integers(0, 6))
    shape = branches + 1, samples
    labels = draw(hnp.arrays(np.int32, shape, elements=st.integers(0, CLASSES - 1)))
    scores = draw(hnp.arrays(np.float32, shape, elements=score))
    thresholds = draw(hnp.arrays(np.float32, (branches, CLASSES), elements=SCORE | st.just(NEVER)))
    return ExitTable(labels, scores), thresholds


def exit_of(table: ExitTable, thresholds: NDArray[np.float32], sample: int) -> int:
    """Return the exit of one sample as the runner takes it: branch after branch."""
    for branch in range(len(thresholds)):
        label = table.labels[branch, sample]
        if table.scores[branch, sample] >= thresholds[branch, label]:
            return branch + 1
    return len(thresholds) + 1


@given(cases())
def test_exits_agree_with_a_loop_over_samples_and_branches(case: Case) -> None:
    table, thresholds = case
    samples = range(table.labels.shape[1])

    exits = choose_exits(table, thresholds)

    assert np.int32 == exits.dtype
    assert [exit_of(table, thresholds, sample) for sample in samples] == exits.tolist()


@given(cases())
def test_a_sample_leaves_with_the_label_of_its_exit(case: Case) -> None:
    table, thresholds = case
    exits = choose_exits(table, thresholds)

    labels = chosen_labels(table, exits)

    assert np.int32 == labels.dtype
    assert [table.labels[k - 1, i] for i, k in enumerate(exits)] == labels.tolist()


@given(cases(), st.data())
def test_higher_thresholds_let_nobody_out_earlier(case: Case, data: st.DataObject) -> None:
    table, thresholds = case
    rise = data.draw(hnp.arrays(np.float32, thresholds.shape, elements=st.floats(0, 2, width=32)))

    assert np.all(choose_exits(table, thresholds) <= choose_exits(table, thresholds + rise))


@given(cases(score=st.just(np.nan)))
def test_a_nan_score_never_exits_early(case: Case) -> None:
    table, thresholds = case

    assert np.all(table.branches + 1 == choose_exits(table, thresholds))


@given(cases(score=st.floats(allow_nan=False, allow_infinity=False, width=32)))
def test_never_lets_no_finite_score_out(case: Case) -> None:
    table, thresholds = case

    assert np.all(table.branches + 1 == choose_exits(table, np.full_like(thresholds, NEVER)))


def test_equality_exits_and_the_next_lower_score_does_not() -> None:
    threshold = np.array([0.7], dtype=np.float32)
    scores = np.array([np.nextafter(threshold[0], 0), threshold[0]], dtype=np.float32)

    assert [False, True] == passes(np.zeros(2, np.int32), scores, threshold).tolist()


def test_each_label_has_its_own_threshold() -> None:
    labels = np.array([0, 1, 2, 2], dtype=np.int32)
    scores = np.array([0.5, 0.5, 0.5, np.nan], dtype=np.float32)
    threshold = np.array([0.4, 0.6, -np.inf], dtype=np.float32)

    assert [True, False, True, False] == passes(labels, scores, threshold).tolist()


def test_the_first_branch_that_lets_a_sample_out_takes_it() -> None:
    table = ExitTable(
        labels=np.array([[0, 0, 1], [1, 1, 0], [2, 2, 2]], dtype=np.int32),
        scores=np.array([[0.9, 0.1, 0.9], [0.9, 0.9, 0.1], [0.0, 0.0, 0.0]], dtype=np.float32),
    )
    thresholds = np.array([[0.5, NEVER, 0.5], [0.5, 0.5, 0.5]], dtype=np.float32)

    exits = choose_exits(table, thresholds)

    assert [1, 2, 3] == exits.tolist()
    assert [0, 1, 2] == chosen_labels(table, exits).tolist()


@pytest.mark.parametrize(
    ("exits", "rates"),
    [([1, 3, 3, 1, 2], [0.4, 0.2, 0.4]), ([3], [0.0, 0.0, 1.0]), ([], [0.0, 0.0, 0.0])],
)
def test_exit_rates_are_the_shares_of_the_exits(exits: list[int], rates: list[float]) -> None:
    assert rates == exit_rates(np.array(exits, dtype=np.int32), 3).tolist()


def test_selecting_samples_keeps_their_answers_together() -> None:
    table = ExitTable(
        labels=np.array([[0, 1, 2], [2, 1, 0]], dtype=np.int32),
        scores=np.array([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], dtype=np.float32),
    )

    some = table.select(np.array([2, 0]))

    assert 1 == some.branches == table.branches
    assert [[2, 0], [0, 2]] == some.labels.tolist()
    assert np.array_equal(np.array([[0.3, 0.1], [0.6, 0.4]], dtype=np.float32), some.scores)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_every_sample_can_be_forced_out_at_one_exit(number: int) -> None:
    """Whatever its score, but for one that is no number; the last exit has no thresholds."""
    labels = np.array([[0, 1, 2, 3]] * 3, dtype=np.int32)
    scores = np.array([[-np.inf, -5.0, 0.0, 5.0]] * 3, dtype=np.float32)

    thresholds = forcing((2, 4), number)

    assert (2, 4) == thresholds.shape
    assert np.float32 == thresholds.dtype
    assert [number] * 4 == choose_exits(ExitTable(labels, scores), thresholds).tolist()


@given(hnp.arrays(np.float32, 8, elements=SCORE), hnp.arrays(np.float32, 8, elements=SCORE))
def test_torchs_tensors_leave_where_arrays_do(
    scores: NDArray[np.float32], bars: NDArray[np.float32]
) -> None:
    expected = [score >= bar for score, bar in zip(scores, bars, strict=True)]

    assert expected == leaves(scores, bars).tolist()
    assert expected == leaves(torch.tensor(scores), torch.tensor(bars)).tolist()
