"""The rules beside the paper's: worked by hand, and what holds for every rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet import rules
from calexnet.errors import InputError
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels
from calexnet.registry import Part
from calexnet.rules.base import STEP, Rule
from calexnet.rules.budget import BudgetRule
from calexnet.rules.paired import PairedRule
from calexnet.rules.price import PriceRule
from calexnet.rules.threshold import ThresholdRule

COSTS = (0.3, 0.6, 1.0)
ALL: list[Rule] = [
    rules.build(Part("cpm", {"min_support": 1})),
    PairedRule(min_support=1),
    PriceRule(costs=COSTS),
    ThresholdRule(),
    BudgetRule(),
]


def one_branch(
    branch_right: list[int], backbone_right: list[int]
) -> tuple[ExitTable, NDArray[np.int64]]:
    """Class 0 answered throughout, scores falling 0.9, 0.8, ...; wrong where told."""
    truth = np.zeros(len(branch_right), dtype=np.int64)
    labels = np.array([[1 - r for r in branch_right], [1 - r for r in backbone_right]], np.int32)
    scores = np.round(0.9 - 0.1 * np.arange(len(truth)), 1).astype(np.float32)
    return ExitTable(labels, np.stack([scores, scores])), truth


def test_a_paired_bar_worked_by_hand() -> None:
    # Regrets: 0, 0, 1, -1, 1; their running mean: 0, 0, 1/3, 0, 1/5.
    exits, truth = one_branch([1, 1, 0, 1, 0], [1, 1, 1, 0, 1])
    rule = PairedRule(min_support=1, finite_sample=False)

    strict, loose = (rule.calibrate(exits, truth, 2, slack)[0] for slack in (0.0, 0.2))

    assert pytest.approx(0.55) == strict[0]  # the first four: the branch mends one, loses one
    assert pytest.approx(0.5 - STEP) == loose[0]
    assert NEVER == strict[1]  # no sample of class 1: nothing is known of it


def test_one_more_loss_is_counted_for_a_finite_sample() -> None:
    exits, truth = one_branch([1, 1, 1, 1], [1, 1, 1, 1])
    rule = PairedRule(min_support=1)

    # (0 + 1) / (n + 1) <= slack: 1/5 of four samples.
    assert NEVER == rule.calibrate(exits, truth, 2, 0.19)[0, 0]
    assert pytest.approx(0.6 - STEP) == rule.calibrate(exits, truth, 2, 0.2)[0, 0]


def test_pooling_shrinks_a_class_towards_all() -> None:
    """Class 0 is as good as the backbone, class 1 is not; both answer three times."""
    labels = np.array([[0, 1, 0, 1, 0, 1], [0, 0, 0, 0, 0, 0]], dtype=np.int32)
    scores = np.linspace(0.9, 0.4, 6, dtype=np.float32)
    exits, truth = ExitTable(labels, np.stack([scores, scores])), np.array([0, 0, 0, 0, 0, 1])

    alone, shrunk, together = (
        PairedRule(pooling=pooling, min_support=1, finite_sample=False).calibrate(
            exits, truth, 2, 0.1
        )[0]
        for pooling in (0.0, 0.2, 1.0)
    )

    # Regrets 0, 1, 0, 1, 0, -1. Class 0 alone: none. Class 1 alone: 1, 1, 1/3 on average.
    assert [pytest.approx(0.4 - STEP), NEVER] == alone.tolist()
    # Class 0, others at 0.2: (0.2 + 0.2 - 0.2) / 3.6 in the end. Class 1: 1 / 3.6.
    assert [pytest.approx(0.4 - STEP), NEVER] == shrunk.tolist()
    # All alike: 0, 1/2, 1/3, 1/2, 2/5, 1/6; only the first clears.
    assert [pytest.approx(0.85)] * 2 == together.tolist()


def test_a_price_worked_by_hand() -> None:
    # Leaving saves 0.7 of a pass. Gains at price 0.5, in units: 0.35 minus the regret.
    exits, truth = one_branch([1, 0, 1, 0, 0], [1, 1, 1, 1, 1])
    rule = PriceRule(costs=(0.3, 1.0), pooling=1.0)

    # Running sums of 0.35, -0.65, 0.35, -0.65, -0.65: the best cut is after the first.
    assert pytest.approx(0.85) == rule.calibrate(exits, truth, 2, 0.5)[0, 0]
    # At 1.5 a saving is worth 1.05, more than any answer: all leave.
    assert pytest.approx(0.5 - STEP) == rule.calibrate(exits, truth, 2, 1.5)[0, 0]
    # Below nothing, leaving has to mend something.
    assert NEVER == rule.calibrate(exits, truth, 2, -0.1)[0, 0]


def test_a_price_waits_for_a_later_branch_that_does_better() -> None:
    """The first branch is wrong, the second right: going on is worth more than leaving."""
    labels = np.array([[1] * 4, [0] * 4, [0] * 4], dtype=np.int32)
    exits = ExitTable(labels, np.full((3, 4), 0.5, dtype=np.float32))

    found = PriceRule(costs=COSTS, pooling=1.0).calibrate(exits, np.zeros(4, int), 2, 0.5)

    assert NEVER == found[0, 0]
    assert pytest.approx(0.5 - STEP) == found[1, 0]


def test_a_price_without_costs_is_refused() -> None:
    exits, truth = one_branch([1, 1], [1, 1])

    with pytest.raises(
        InputError,
        match=r"^the price rule does not know what each exit costs: got 0 costs; expected 2, one "
        r"an exit\. Add --rule-option costs=",
    ):
        PriceRule().calibrate(exits, truth, 2, 0.1)


def test_one_threshold_for_all() -> None:
    exits, truth = one_branch([1, 0], [1, 1])

    assert [[np.float32(0.7), NEVER]] == ThresholdRule().calibrate(exits, truth, 2, 0.7).tolist()


@pytest.mark.parametrize(
    ("p", "leaving"), [(1.0, [4, 4, 4]), (0.5, [7, 3, 2]), (2.0, [2, 3, 7]), (100.0, [0, 0, 12])]
)
def test_budgets_let_out_shares_that_follow_a_power(p: float, leaving: list[int]) -> None:
    """Of twelve, in the ratio p : p^2 : p^3; rounded branch by branch."""
    scores = np.linspace(0.1, 0.9, 12, dtype=np.float32)
    exits = ExitTable(np.zeros((3, 12), np.int32), np.stack([scores] * 3))
    truth = np.zeros(12, dtype=np.int64)

    taken = choose_exits(exits, BudgetRule().calibrate(exits, truth, 1, p))

    assert leaving == np.bincount(taken, minlength=4)[1:].tolist()


def test_equal_scores_leave_within_a_budget_together() -> None:
    exits = ExitTable(np.zeros((2, 6), np.int32), np.full((2, 6), 0.5, np.float32))

    taken = choose_exits(exits, BudgetRule().calibrate(exits, np.zeros(6, int), 1, 1.0))

    assert len(set(taken.tolist())) == 1


@st.composite
def tables(draw: st.DrawFn) -> tuple[ExitTable, NDArray[np.int64]]:
    shape = (3, draw(st.integers(1, 24)))
    labels = draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 2)))
    grid = st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9, float("nan")])
    scores = draw(hnp.arrays(np.float32, shape, elements=grid))
    return ExitTable(labels, scores), draw(
        hnp.arrays(np.int64, shape[1], elements=st.integers(0, 2))
    )


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.kind)
@given(case=tables(), setting=st.sampled_from([0.05, 0.3, 1.0]))
def test_no_class_without_samples_exits_and_no_score_of_nan(
    rule: Rule, case: tuple[ExitTable, NDArray[np.int64]], setting: float
) -> None:
    exits, truth = case

    found = rule.calibrate(exits, truth, 4, setting)

    assert (2, 4) == found.shape
    assert np.float32 == found.dtype
    absent = sorted(set(range(4)) - set(truth.tolist()))
    assert np.all(found[:, absent] == NEVER)
    taken = choose_exits(exits, found)
    for branch in range(2):
        assert not np.isnan(exits.scores[branch][taken == branch + 1]).any()


@given(case=tables(), price=st.sampled_from([0.1, 0.5, 1.0]))
def test_a_price_is_never_worse_than_letting_nobody_out(
    case: tuple[ExitTable, NDArray[np.int64]], price: float
) -> None:
    exits, truth = case
    rule = PriceRule(costs=COSTS, pooling=1.0)

    def worth(taken: NDArray[np.int32]) -> float:
        right = chosen_labels(exits, taken) == truth
        return float((right - price * np.array(COSTS)[taken - 1]).sum())

    found = worth(choose_exits(exits, rule.calibrate(exits, truth, 3, price)))
    nobody = worth(np.full(len(truth), 3, dtype=np.int32))

    if len(set(truth.tolist())) == 3:
        assert found >= nobody - 1e-9


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part("cmp"), r"unknown threshold rule: got 'cmp'; expected one of cpm, paired, price, th"),
        (
            Part("cpm", {"margin": 1}),
            r"the threshold rule cpm cannot be set up so: got cpm: expect",
        ),
        (
            Part("cpm", {"min_support": 0}),
            r"min_support cannot be used: got 0; expected at least 1",
        ),
        (Part("paired", {"pooling": 2}), r"the paired rule cannot be set up so: got pooling 2"),
        (Part("price", {"pooling": -1.0}), r"the price rule cannot be set up so: got pooling -1"),
        (Part("no.such:Rule"), r"cannot find the threshold rule no\.such:Rule: got No module"),
    ],
    ids=repr,
)
def test_a_rule_that_cannot_be_had_is_told(part: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rules.build(part)


class Mine(ThresholdRule):
    """One's own rule, found by its path."""


def test_ones_own_rule_is_found_by_its_path() -> None:
    assert isinstance(rules.build(Part(f"{__name__}:Mine")), Mine)
