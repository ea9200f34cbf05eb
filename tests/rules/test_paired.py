"""Paired thresholds: branch against backbone on the very samples that leave."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from calexnet.errors import InputError
from calexnet.gating import NEVER, choose_exits
from calexnet.rules.base import STEP, reached
from calexnet.rules.paired import PairedRule
from tests.rules.cases import CLASSES, Case, cases, table

PLAIN = PairedRule(min_support=1, finite_sample=False)
RULES = st.builds(
    PairedRule,
    pooling=st.sampled_from([0.0, 0.5, 1.0]),
    min_support=st.integers(1, 4),
    finite_sample=st.booleans(),
)
SLACKS = st.sampled_from([-0.1, 0.0, 0.05, 0.25, 0.5, 1.0])

# Regret, by falling score: 0, 0 (both wrong), 1, 0, -1 (the branch alone is right).
# Running sums: 0, 0, 1, 1, 0; running means: 0, 0, 1/3, 1/4, 0.
TRUTH = np.array([0, 1, 1, 0, 1])
BRANCH, BACKBONE = [0, 0, 0, 0, 1], [0, 0, 1, 0, 0]
FIVE = table([BRANCH, BACKBONE], [[0.9, 0.8, 0.7, 0.6, 0.5]])


@pytest.mark.parametrize(
    ("slack", "switches", "expected"),
    [
        (0.0, {}, 0.5 - STEP),
        (-0.01, {}, NEVER),
        # One lost sample more: sums 1, 1, 2, 2, 1 of 2, 3, 4, 5, 6.
        (0.0, {"finite_sample": True}, NEVER),
        (0.16, {"finite_sample": True}, NEVER),
        (0.17, {"finite_sample": True}, 0.5 - STEP),
        (0.0, {"min_support": 5}, 0.5 - STEP),
        (0.0, {"min_support": 6}, NEVER),
    ],
)
def test_the_threshold_of_five_samples_together(
    slack: float, switches: dict[str, Any], expected: float
) -> None:
    found = dataclasses.replace(PLAIN, **switches).calibrate(FIVE, TRUTH, 2, slack)

    np.testing.assert_allclose(found, [[expected, expected]], atol=1e-7)


def test_each_class_by_itself_without_pooling() -> None:
    """Class 0 loses its third sample: it leaves above 0.7. Class 1 only ever gains."""
    found = dataclasses.replace(PLAIN, pooling=0.0).calibrate(FIVE, TRUTH, 2, 0.0)

    np.testing.assert_allclose(found, [[0.75, 0.5 - STEP]], atol=1e-7)


@pytest.mark.parametrize(("slack", "expected"), [(0.19, 0.75), (0.23, 0.5 - STEP)])
def test_a_class_is_shrunk_towards_all(slack: float, expected: float) -> None:
    """Class 0 weighs its own four 1 and the other's one a half.

    Sums 0, 0, 1, 1, 1/2 of 1, 2, 3, 4, 4.5: means 0, 0, 1/3, 1/4, 1/9. Weighed alike the last mean
    would be 0; alone, class 0 would stop at 1/4.
    """
    rule = dataclasses.replace(PLAIN, pooling=0.5)

    low = rule.calibrate(FIVE, TRUTH, 2, 0.11)[0, 0]
    high = rule.calibrate(FIVE, TRUTH, 2, 0.112)[0, 0]

    assert pytest.approx(0.75) == low
    assert pytest.approx(0.5 - STEP, abs=1e-7) == high
    alone = dataclasses.replace(PLAIN, pooling=0.0).calibrate(FIVE, TRUTH, 2, slack)[0, 0]
    assert pytest.approx(0.75) == alone


def test_where_the_backbone_errs_too_nothing_is_lost() -> None:
    """A bar at the backbone's average precision, 1/2, could not tell this branch from a better."""
    exits = table([[0, 0, 0, 0], [0, 0, 0, 0]], [[0.9, 0.8, 0.7, 0.6]])

    found = PLAIN.calibrate(exits, np.array([0, 1, 0, 1]), 2, 0.0)

    assert [1, 1, 1, 1] == choose_exits(exits, found).tolist()


def test_equal_scores_leave_together_or_not_at_all() -> None:
    exits = table([[0, 0, 0], [0, 1, 0]], [[0.9, 0.9, 0.5]])
    truth = np.array([0, 1, 0])

    found = PLAIN.calibrate(exits, truth, 2, 0.2)

    assert np.all(found == NEVER)


@given(cases(RULES, SLACKS))
def test_who_leaves_loses_at_most_the_slack_by_weight(case: Case) -> None:
    rule, thresholds = case.rule, case.thresholds()
    assert isinstance(rule, PairedRule)
    taken = choose_exits(case.exits, thresholds)
    for k, threshold in enumerate(thresholds):
        seen = reached(case.exits, case.truth, k, np.flatnonzero(taken > k), CLASSES).survivors
        regret = seen.backbone_right.astype(float) - seen.right
        for label in range(CLASSES):
            if threshold[label] == NEVER:
                continue
            accepted = seen.scores >= threshold[label]
            weight = np.where(seen.labels == label, 1.0, rule.pooling)[accepted]
            event("lets out")
            assert weight.sum() >= rule.min_support
            lost = (weight * regret[accepted]).sum() + rule.finite_sample
            assert lost <= case.setting * (weight.sum() + rule.finite_sample) + 1e-9


@given(cases(RULES, SLACKS, branches=(1, 1)), st.tuples(SLACKS, SLACKS).map(sorted))
def test_more_slack_never_raises_a_threshold(case: Case, slacks: list[float]) -> None:
    strict, lax = (dataclasses.replace(case, setting=s).thresholds() for s in slacks)

    assert np.all(strict >= lax)


@pytest.mark.parametrize("switches", [{"pooling": -0.1}, {"pooling": 1.1}, {"min_support": 0}])
def test_switches_out_of_range_are_refused(switches: dict[str, Any]) -> None:
    with pytest.raises(
        InputError,
        match=r"^the paired rule cannot be set up so: got pooling \S+, min_support \d+; "
        r"expected pooling from 0 to 1, and a support of at least 1$",
    ):
        PairedRule(**switches)
