"""Calibration error and failure prediction, worked by hand."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.analysis.study import ece
from calexnet.gating import ExitTable
from calexnet.sweep.results import Answered, Answers
from tests.support.sample_cells import answered, answers, axes, save


def test_calibration_error_worked_by_hand() -> None:
    scores = np.array([0.1, 0.2, 0.6, 0.8])
    right = np.array([False, True, True, True])

    # Two bins: |0.5 - 0.15| and |1 - 0.7|, half of the samples in each.
    found = ece.expected_calibration_error(scores, right, ece.equal_width(scores, 2))

    assert pytest.approx(0.5 * 0.35 + 0.5 * 0.3) == found


def test_bins_of_equal_width_hold_their_upper_edge() -> None:
    scores = np.array([0.0, 0.2, 0.5, 0.51, 1.0])

    assert [[0, 1, 2], [3, 4]] == [b.tolist() for b in ece.equal_width(scores, 2)]


def test_bins_of_equal_count_are_even_and_in_order() -> None:
    scores = np.array([0.9, 0.1, 0.5, 0.4, 0.8])

    assert [[1, 3, 2], [4, 0]] == [b.tolist() for b in ece.equal_count(scores, 2)]


def test_a_calibrated_score_has_little_error_and_an_overconfident_one_much() -> None:
    random = np.random.default_rng(0)
    scores = random.uniform(0.3, 1, 50_000)
    right = random.uniform(0, 1, 50_000) < scores

    for divide in (ece.equal_width, ece.equal_count):
        assert ece.expected_calibration_error(scores, right, divide(scores)) < 0.015
        unsure = scores**2
        assert ece.expected_calibration_error(unsure, right, divide(unsure)) > 0.1


@pytest.mark.parametrize(
    ("scores", "positive", "expected"),
    [
        ([0.1, 0.2, 0.3], [0, 0, 1], 1.0),
        ([0.3, 0.2, 0.1], [0, 0, 1], 0.0),
        ([0.5, 0.5, 0.5], [0, 1, 1], 0.5),
        # Of the pairs (0.4, 0.4), (0.4, 0.1), (0.2, 0.4), (0.2, 0.1): a tie, two wins, a loss.
        ([0.4, 0.2, 0.4, 0.1], [1, 1, 0, 0], 2.5 / 4),
        ([0.4, 0.2], [1, 1], None),
        ([0.4, 0.2], [0, 0], None),
    ],
)
def test_auroc_worked_by_hand(
    scores: list[float], positive: list[int], expected: float | None
) -> None:
    assert expected == ece.auroc(np.array(scores), np.array(positive, bool))


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_auroc_is_the_share_of_pairs_in_the_right_order(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([float(score) for score, _ in pairs])
    positive = np.array([is_positive for _, is_positive in pairs])
    wins = [
        (hit > miss) + 0.5 * (hit == miss) for hit in scores[positive] for miss in scores[~positive]
    ]

    found = ece.auroc(scores, positive)

    assert (pytest.approx(np.mean(wins)) if wins else None) == found


def test_leaving_is_right_if_the_exit_is_or_no_later_one_would_be() -> None:
    labels = np.array([[0, 1, 0, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 1]], np.int32)
    test = Answered(
        ExitTable(labels, np.zeros((3, 5), np.float32)),
        np.zeros(5, np.int32),
        np.arange(5, dtype=np.int32),
    )

    assert [True, False, True, False, True] == ece.should_leave(test, 1).tolist()
    assert [True, True, False, False, True] == ece.should_leave(test, 2).tolist()
    assert [True] * 5 == ece.should_leave(test, 3).tolist()


def test_the_table_has_a_row_an_exit_and_means_over_seeds(tmp_path: Path) -> None:
    for seed in (0, 1):
        save(axes(seed=seed), answers(seed), tmp_path)

    artefact = ece.analyse(argparse.Namespace(allow=(), results=[tmp_path]))

    rows = artefact.tables[0].records
    assert [(1, 2), (2, 2), (3, 2)] == [(row.exit, row.seeds) for row in rows]
    scores, labels, truth = [], [], []
    for seed in (0, 1):
        test = answers(seed).test
        scores.append(test.table.scores[0].astype(np.float64))
        labels.append(test.table.labels[0])
        truth.append(test.truth)
    errors = [
        ece.expected_calibration_error(s, lab == t, ece.equal_width(s))
        for s, lab, t in zip(scores, labels, truth, strict=True)
    ]
    assert pytest.approx(np.mean(errors)) == rows[0].ece
    assert rows[0].auroc_leave is not None
    assert None is rows[2].auroc_leave


def test_a_score_that_is_no_probability_has_no_calibration_error(tmp_path: Path) -> None:
    test = answered(100, 0)
    strange = Answered(
        ExitTable(test.table.labels, 3 * test.table.scores - 1), test.truth, test.positions
    )
    save(axes(), Answers(answered(100, 1), strange), tmp_path)

    rows = ece.analyse(argparse.Namespace(allow=(), results=[tmp_path])).tables[0].records

    assert (None, None) == (rows[0].ece, rows[0].ece_adaptive)
    assert rows[0].auroc_right is not None


def test_a_score_that_is_missing_does_not_count(tmp_path: Path) -> None:
    test = answered(100, 0)
    test.table.scores[0, 50:] = np.nan
    save(axes(), Answers(answered(100, 1), test), tmp_path)

    row = ece.analyse(argparse.Namespace(allow=(), results=[tmp_path])).tables[0].records[0]

    known = test.table.scores[0, :50].astype(np.float64)
    assert pytest.approx(known.mean()) == row.score
