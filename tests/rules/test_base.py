"""What all rules share: where a cut falls, who is seen, and who never exits."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.gating import NEVER, choose_exits
from calexnet.rules.base import STEP, Rule, may_cut, midway, reached, share
from calexnet.rules.budget import BudgetRule
from calexnet.rules.cpm import CpmRule
from calexnet.rules.paired import PairedRule
from calexnet.rules.price import PriceRule
from calexnet.rules.threshold import ThresholdRule
from tests.rules.cases import CLASSES, NEIGHBOURS, Case, cases, f32, table

#: Every rule, so set up that samples leave where there is any reason to.
EAGER: list[tuple[Rule, float]] = [
    (CpmRule(min_support=1, finite_sample=False), 1.0),
    (CpmRule(min_support=1, finite_sample=False, population="all"), 1.0),
    (PairedRule(min_support=1, finite_sample=False), 1.0),
    (PairedRule(min_support=1, finite_sample=False, pooling=0.0), 1.0),
    (PriceRule(costs=(1.0, 2.0, 10.0)), 3.0),
    (ThresholdRule(), 0.0),
    (BudgetRule(), 0.1),
]
NAMES = [f"{type(rule).__name__}-{i}" for i, (rule, _) in enumerate(EAGER)]

RULES = st.sampled_from([rule for rule, _ in EAGER])


@pytest.mark.parametrize(("cut", "expected"), [(0, 0.85), (1, 0.65), (2, 0.5 - STEP)])
def test_a_threshold_lies_midway_or_a_step_under_the_lowest(cut: int, expected: float) -> None:
    assert pytest.approx(expected, abs=1e-7) == midway(f32(0.9, 0.8, 0.5), cut)


@pytest.mark.parametrize("below", [0.5, *NEIGHBOURS])
def test_between_neighbouring_floats_the_accepted_score_itself_is_the_threshold(
    below: float,
) -> None:
    """Their middle rounds to either of them; rounded down, it would let both out."""
    lowest = float(np.nextafter(np.float32(below), np.float32(1)))

    assert lowest == midway(f32(lowest, below), 0)


def test_equal_scores_are_not_cut_apart() -> None:
    assert [False, True, True, False, True] == may_cut(f32(0.9, 0.9, 0.8, 0.5, 0.5)).tolist()


@pytest.mark.parametrize(("hits", "expected"), [([], 0.0), ([True, False, True, True], 0.75)])
def test_a_share_of_nothing_is_nothing(hits: list[bool], expected: float) -> None:
    assert expected == share(np.array(hits, dtype=np.bool_))


def test_a_rule_sees_everyone_and_the_survivors_and_can_leave_out_scores_of_nan() -> None:
    exits = table([[0, 1, 1, 0], [0, 1, 0, 1]], [[0.9, 0.8, np.nan, 0.6]])

    seen = reached(exits, np.array([0, 0, 1, 1]), 0, np.array([1, 2, 3]), classes=3)

    assert (0, 1, 3) == (seen.branch, seen.branches, seen.classes)
    assert [True, True, False] == seen.present.tolist()
    assert (4, 3) == (len(seen.everyone), len(seen.survivors))
    scored = seen.survivors.scored()
    assert np.array_equal(f32(0.8, 0.6), scored.scores)
    assert [1, 0] == scored.labels.tolist()
    assert [False, False] == scored.right.tolist()
    assert [1, 1] == scored.backbone_labels.tolist()
    assert [False, True] == scored.backbone_right.tolist()


@pytest.mark.parametrize(("rule", "setting"), EAGER, ids=NAMES)
def test_a_class_without_a_calibration_sample_never_exits(rule: Rule, setting: float) -> None:
    """Class 2 is answered, surely and often, but nothing is known of it."""
    truth = np.array([0, 0, 1, 1] * 3)
    labels = [[0, 2, 1, 2] * 3, [0, 2, 1, 2] * 3, truth.tolist()]
    exits = table(labels, [[0.9, 0.99, 0.8, 0.98] * 3, [0.9, 0.99, 0.8, 0.98] * 3])

    found = rule.calibrate(exits, truth, 3, setting)

    assert ((2, 3), "float32") == (found.shape, found.dtype.name)
    assert [NEVER, NEVER] == found[:, 2].tolist()
    assert (found[0, :2] < 0.9).all()


@given(cases(RULES.filter(lambda rule: not isinstance(rule, PriceRule)), st.just(1.0)), st.data())
def test_a_score_of_nan_never_exits_and_changes_no_threshold_of_a_branch(
    case: Case, data: st.DataObject
) -> None:
    lost = np.isnan(case.exits.scores[0])
    # Whatever label stands beside a score of NaN.
    labels = case.exits.labels.copy()
    labels[0, lost] = data.draw(st.integers(0, CLASSES - 1))
    other = dataclasses.replace(case, exits=dataclasses.replace(case.exits, labels=labels))

    thresholds = case.thresholds()

    assert not np.isnan(thresholds).any()
    assert not (choose_exits(case.exits, thresholds)[lost] == 1).any()
    assert np.array_equal(thresholds[0], other.thresholds()[0])


def test_a_score_of_nan_never_exits_at_a_price() -> None:
    exits = table([[0, 0, 0], [0, 0, 0]], [[0.9, np.nan, 0.7]])
    truth = np.zeros(3, dtype=np.int64)

    found = PriceRule(costs=(1.0, 2.0)).calibrate(exits, truth, 1, 1.0)

    assert [1, 2, 1] == choose_exits(exits, found).tolist()


@pytest.mark.parametrize(("rule", "setting"), EAGER, ids=NAMES)
def test_no_samples_let_nobody_out(rule: Rule, setting: float) -> None:
    nothing = table([[], [], []], [[], []])

    found = rule.calibrate(nothing, np.empty(0, np.int64), 3, setting)

    assert np.all(found == NEVER)


@pytest.mark.parametrize(("rule", "setting"), EAGER, ids=NAMES)
def test_the_default_is_among_the_settings_and_the_grid_goes_further(
    rule: Rule, setting: float
) -> None:
    assert rule.default in (*rule.settings, *rule.grid)
    assert sorted(set(rule.settings)) == list(rule.settings)
    assert sorted(set(rule.grid)) == list(rule.grid)
    assert rule.grid[0] <= rule.settings[0] < rule.settings[-1] <= rule.grid[-1]


@pytest.mark.parametrize(("rule", "setting"), EAGER, ids=NAMES)
def test_the_grid_reaches_from_nearly_nobody_to_nearly_everybody(
    rule: Rule, setting: float
) -> None:
    """On a branch that mostly agrees with a backbone that is mostly right."""
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 1000)
    backbone = np.where(random.random(1000) < 0.9, truth, (truth + 1) % 3)
    branch = np.where(random.random(1000) < 0.7, backbone, random.integers(0, 3, 1000))
    score = np.where(branch == truth, random.random(1000) ** 0.5, random.random(1000))
    exits = table([branch.tolist(), backbone.tolist()], [score.tolist()])
    if isinstance(rule, PriceRule):
        rule = dataclasses.replace(rule, costs=(3.0, 10.0))

    early = [
        (choose_exits(exits, rule.calibrate(exits, truth, 3, each)) == 1).mean()
        for each in rule.grid
    ]

    assert min(early) < 0.05
    assert max(early) > 0.9
