"""Budgeted thresholds: shares that leave, whatever the labels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.gating import NEVER, ExitTable, choose_exits, exit_rates
from calexnet.rules.budget import BudgetRule
from tests.rules.cases import table

COUNT = 1000


def distinct_scores(branches: int, seed: int = 0) -> ExitTable:
    """Return answers of random classes in which no two scores of a branch are equal."""
    random = np.random.default_rng(seed)
    scores = [random.permutation(COUNT) / COUNT for _ in range(branches)]
    labels = random.integers(0, 3, (branches + 1, COUNT)).tolist()
    return table(labels, [row.tolist() for row in scores])


TRUTH = np.arange(COUNT) % 3


def rates(exits: ExitTable, p: float) -> NDArray[np.float64]:
    found = BudgetRule().calibrate(exits, TRUTH, 3, p)
    return exit_rates(choose_exits(exits, found), exits.branches + 1)


@pytest.mark.parametrize(
    ("branches", "p", "expected"),
    [
        (1, 1.0, [1 / 2, 1 / 2]),
        (2, 1.0, [1 / 3, 1 / 3, 1 / 3]),
        (2, 0.5, [4 / 7, 2 / 7, 1 / 7]),
        (2, 2.0, [1 / 7, 2 / 7, 4 / 7]),
        (3, 3.0, [1 / 40, 3 / 40, 9 / 40, 27 / 40]),
    ],
)
def test_the_share_that_leaves_at_each_exit_follows_the_power_of_p(
    branches: int, p: float, expected: list[float]
) -> None:
    np.testing.assert_allclose(rates(distinct_scores(branches), p), expected, atol=2 / COUNT)


@given(st.floats(0.05, 40), st.integers(1, 4), st.integers(0, 3))
def test_the_shares_follow_for_any_p(p: float, branches: int, seed: int) -> None:
    planned = p ** np.arange(branches + 1)

    found = rates(distinct_scores(branches, seed), p)

    # Each branch rounds to whole samples of those that are left.
    np.testing.assert_allclose(found, planned / planned.sum(), atol=(branches + 1) / COUNT)


def test_labels_are_not_looked_at() -> None:
    exits = distinct_scores(2)

    first, other = (BudgetRule().calibrate(exits, t, 3, 0.7) for t in (TRUTH, (TRUTH + 1) % 3))

    assert np.array_equal(first, other)
    assert all(1 == len(set(row)) for row in first.tolist())


def test_a_large_p_lets_nobody_out_early() -> None:
    exits = distinct_scores(2)

    assert np.all(BudgetRule().calibrate(exits, TRUTH, 3, 1e6) == NEVER)


def test_a_p_of_nothing_lets_everybody_out_at_the_first_branch() -> None:
    assert [1.0, 0.0, 0.0] == rates(distinct_scores(2), 0.0).tolist()


@pytest.mark.parametrize(
    ("scores", "leaving"),
    [
        # Half of four are wanted; a cut may fall after 1 or 4 of them, and 1 is nearer.
        ([0.9, 0.5, 0.5, 0.5], 1),
        # After 3 or 4: 3 is nearer.
        ([0.9, 0.9, 0.9, 0.5], 3),
        # All or none, equally far: all leave.
        ([0.5, 0.5, 0.5, 0.5], 4),
    ],
)
def test_equal_scores_leave_together_or_not_at_all(scores: list[float], leaving: int) -> None:
    exits = table([[0] * 4, [0] * 4], [scores])

    found = BudgetRule().calibrate(exits, np.zeros(4, dtype=np.int64), 1, 1.0)

    assert leaving == (choose_exits(exits, found) == 1).sum()


def test_the_grid_is_fine_about_one_and_wide_above() -> None:
    grid = BudgetRule.grid
    assert grid[:39] == tuple(k / 20 for k in range(1, 40))
    assert grid[39:52] == (2, 2.25, 2.5, 2.75, 3, 3.25, 3.5, 3.75, 4, 4.25, 4.5, 4.75, 5)
    assert grid[52:] == (6, 8, 12, 20, 40)
    assert {BudgetRule.default, *BudgetRule.settings} <= {*grid}
    assert (1.0, (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)) == (BudgetRule.default, BudgetRule.settings)
