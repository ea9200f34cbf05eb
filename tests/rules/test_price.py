"""Thresholds at a price: each branch as good as it can be, given the others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels
from calexnet.rules.base import STEP, reached
from calexnet.rules.price import PriceRule
from tests.rules.cases import CLASSES, KNOWN_SCORES, Case, cases, f32, table

PRICES = st.sampled_from([-0.3, 0.0, 0.1, 0.4, 1.0, 3.0])
COSTS = (1.0, 4.0, 6.0, 10.0)


def priced(case: Case) -> Case:
    """Return `case` with the costs of its exits: the deepest of `COSTS`."""
    assert isinstance(case.rule, PriceRule)
    costs = COSTS[-1 - case.exits.branches :]
    return dataclasses.replace(case, rule=dataclasses.replace(case.rule, costs=costs))


def worth(case: Case, thresholds: NDArray[np.float32]) -> float:
    """Return what a table comes to: right answers less the price of their cost."""
    assert isinstance(case.rule, PriceRule)
    taken = choose_exits(case.exits, thresholds)
    shares = np.array(case.rule.costs) / case.rule.costs[-1]
    right = chosen_labels(case.exits, taken) == case.truth
    return float((right - case.setting * shares[taken - 1]).sum())


def one_by_one(exits: ExitTable, branch: int) -> list[float]:
    """Return every threshold of a branch that decides differently."""
    return [NEVER, *sorted(set(exits.scores[branch].tolist()))]


# One branch at half the backbone's cost; the backbone is right on all but the last.
# By falling score the branch is right, right, wrong, right, right.
TRUTH = np.array([0, 0, 1, 0, 1])
FIVE = table([[0, 0, 0, 0, 1], [0, 0, 1, 0, 0]], [[0.9, 0.8, 0.7, 0.6, 0.5]])


@pytest.mark.parametrize(
    ("price", "expected"),
    [
        # Gains 0, 0, -1, 0, 1 of accuracy and half the price each. Running sums at price 0:
        # 0, 0, -1, -1, 0, so nothing is gained; the smallest price lets everyone out.
        (0.0, NEVER),
        (0.02, 0.5 - STEP),
        (1.0, 0.5 - STEP),
        # Each exit loses half the accuracy it is worth: only 0 + 1 - 5 x 0.1 could pay, never.
        (-0.2, NEVER),
    ],
)
def test_one_threshold_for_all_worked_by_hand(price: float, expected: float) -> None:
    found = PriceRule(costs=(5, 10), pooling=1.0).calibrate(FIVE, TRUTH, 2, price)

    np.testing.assert_allclose(found, [[expected, expected]], atol=1e-7)


@pytest.mark.parametrize(("price", "expected"), [(0.0, NEVER), (0.4, 0.75), (1.2, 0.6 - STEP)])
def test_the_threshold_of_a_class_alone_worked_by_hand(price: float, expected: float) -> None:
    """Class 0: gains p/2, p/2, p/2 - 1, p/2. All four pay beyond two once p > 1."""
    exits = FIVE.select(np.arange(4))

    found = PriceRule(costs=(5, 10), pooling=0.0).calibrate(exits, TRUTH[:4], 2, price)

    assert pytest.approx(expected, abs=1e-7) == found[0, 0]
    assert NEVER == found[0, 1]


def test_a_branch_leaves_to_a_later_one_what_that_does_better() -> None:
    """Branch 2 costs hardly more and is always right; alone, branch 1 would let all out."""
    truth = np.array([0, 0, 1, 1])
    labels = [[0, 0, 0, 0], truth.tolist(), truth.tolist()]
    exits = table(labels, [[0.9, 0.8, 0.7, 0.6], [0.9, 0.9, 0.9, 0.9]])
    rule = PriceRule(costs=(4, 5, 10), pooling=1.0)

    together = rule.calibrate(exits, truth, 2, 2.0)
    alone = rule.thresholds(reached(exits, truth, 0, np.arange(4), 2), 2.0)

    assert [1, 1, 2, 2] == choose_exits(exits, together).tolist()
    np.testing.assert_allclose(alone, [0.6 - STEP] * 2, atol=1e-7)


def test_equal_scores_leave_together_or_not_at_all() -> None:
    exits = table([[0, 0, 0], [0, 1, 0]], [[0.9, 0.9, 0.5]])

    found = PriceRule(costs=(5, 10), pooling=1.0).calibrate(exits, np.array([0, 1, 0]), 2, 0.5)

    assert np.all(found == NEVER)


@pytest.mark.slow
@given(cases(st.just(PriceRule(pooling=1.0)), PRICES, scores=KNOWN_SCORES))
def test_with_one_threshold_for_all_classes_no_branch_does_better_by_another(case: Case) -> None:
    assume(set(case.truth) == set(range(CLASSES)))
    case = priced(case)
    found = case.thresholds()
    best = worth(case, found)
    event(f"{len(set(choose_exits(case.exits, found)))} exits taken")

    for branch in range(case.exits.branches):
        for threshold in one_by_one(case.exits, branch):
            other = found.copy()
            other[branch] = threshold
            assert worth(case, other) <= best + 1e-9


@given(
    cases(st.builds(PriceRule, pooling=st.sampled_from([0.0, 0.3, 1.0])), PRICES, branches=(1, 1)),
    st.tuples(PRICES, PRICES).map(sorted),
)
def test_a_larger_price_never_saves_less_at_a_single_branch(
    case: Case, prices: list[float]
) -> None:
    low, high = (
        choose_exits(case.exits, dataclasses.replace(priced(case), setting=p).thresholds())
        for p in prices
    )

    assert (low == 1).sum() <= (high == 1).sum()


def test_only_the_proportions_of_the_costs_count() -> None:
    small, large = (
        PriceRule(costs=costs).calibrate(FIVE, TRUTH, 2, 0.4) for costs in [(1, 2), (500, 1000)]
    )

    assert np.array_equal(small, large)


@pytest.mark.parametrize("costs", [(), (1.0,), (1.0, 2.0, 3.0)])
def test_costs_that_are_missing_are_asked_for(costs: tuple[float, ...]) -> None:
    message = (
        rf"^the price rule does not know what each exit costs: got {len(costs)} costs; expected 2, "
        r"one an exit\. Add --rule-option costs=\[\.\.\.\], MACs up to each exit\.$"
    )

    with pytest.raises(InputError, match=message):
        PriceRule(costs=costs).calibrate(FIVE, TRUTH, 2, 0.1)
    with pytest.raises(InputError, match=message):
        PriceRule(costs=costs).thresholds(reached(FIVE, TRUTH, 0, np.arange(5), 2), 0.1)


@pytest.mark.parametrize("pooling", [-0.1, 1.1])
def test_a_pooling_out_of_range_is_refused(pooling: float) -> None:
    with pytest.raises(
        InputError,
        match=rf"^the price rule cannot be set up so: got pooling {pooling}; expected pooling from"
        r" 0 to 1$",
    ):
        PriceRule(pooling=pooling)


def test_thresholds_are_float32() -> None:
    assert f32().dtype == PriceRule(costs=(1, 2)).calibrate(FIVE, TRUTH, 2, 0.1).dtype
