"""Class-precision-margin thresholds: hand-worked, against a naive search, and as properties."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.gating import NEVER, ExitTable, choose_exits
from calexnet.rules.base import STEP, Reached, reached
from calexnet.rules.cpm import CpmRule
from tests.rules.cases import CLASSES, KNOWN_SCORES, SCORES, Case, cases, f32, table

ROUNDING = 1e-12
RULES = st.builds(
    CpmRule,
    margin_form=st.sampled_from(["relative", "additive"]),
    anchor=st.sampled_from(["all", "survivors"]),
    population=st.sampled_from(["all", "survivors"]),
    min_support=st.integers(1, 4),
    crossing=st.sampled_from(["lowest", "first"]),
    finite_sample=st.booleans(),
)
MARGINS = st.sampled_from([0.0, 0.05, 0.25, 0.5, 1.0])
CASES = cases(RULES, MARGINS)
DEEP_CASES = cases(RULES, MARGINS, branches=(2, 3))
SAMPLES = st.lists(st.tuples(KNOWN_SCORES, st.booleans()), max_size=24)
#: No correction and no minimum, so that examples can be worked by hand.
PLAIN = CpmRule(min_support=1, finite_sample=False)


def cpm(case: Case) -> CpmRule:
    assert isinstance(case.rule, CpmRule)
    return case.rule


def with_switches(case: Case, **switches: Any) -> Case:
    return dataclasses.replace(case, rule=dataclasses.replace(cpm(case), **switches))


def corrected_precision(right: NDArray[np.bool_], rule: CpmRule) -> float:
    return float(right.sum()) / (len(right) + rule.finite_sample)


def lowest_accepted(
    scores: NDArray[np.float32], right: NDArray[np.bool_], bar: float, rule: CpmRule
) -> float:
    """Return the lowest score to let out, tried one by one from the highest; NEVER if none."""
    lowest = NEVER
    for score in sorted({float(s) for s in scores}, reverse=True):
        accepted = scores >= np.float32(score)
        if accepted.sum() < rule.min_support:
            continue
        if corrected_precision(right[accepted], rule) >= bar - ROUNDING:
            lowest = score
        elif rule.crossing == "first":
            break
    return lowest


# Running precision of these: 1, 1, 2/3, 3/4, 4/5; corrected: 1/2, 2/3, 2/4, 3/5, 4/6.
FIVE = f32(0.9, 0.8, 0.7, 0.6, 0.5), np.array([True, True, False, True, True])


@pytest.mark.parametrize(
    ("bar", "switches", "expected"),
    [
        (0.75, {}, 0.5 - STEP),
        (0.80, {}, 0.5 - STEP),
        (0.81, {}, 0.75),
        (1.00, {}, 0.75),
        (1.01, {}, NEVER),
        (0.75, {"crossing": "first"}, 0.75),
        (0.66, {"crossing": "first"}, 0.5 - STEP),
        (0.75, {"finite_sample": True}, NEVER),
        (0.66, {"finite_sample": True}, 0.5 - STEP),
        (0.66, {"finite_sample": True, "crossing": "first"}, NEVER),
        (0.66, {"finite_sample": True, "crossing": "first", "min_support": 2}, 0.75),
        (0.81, {"min_support": 2}, 0.75),
        (0.81, {"min_support": 3}, NEVER),
        (0.00, {"min_support": 5}, 0.5 - STEP),
        (0.00, {"min_support": 6}, NEVER),
        (-0.1, {}, 0.5 - STEP),
    ],
)
def test_the_lowest_threshold_of_five_samples(
    bar: float, switches: dict[str, Any], expected: float
) -> None:
    found = dataclasses.replace(PLAIN, **switches).lowest_threshold(*FIVE, bar)

    assert pytest.approx(expected, abs=1e-7) == found


def test_equal_scores_leave_together_or_not_at_all() -> None:
    scores, right = f32(0.9, 0.9, 0.5), np.array([True, False, True])

    assert NEVER == PLAIN.lowest_threshold(scores, right, 1.0)
    assert pytest.approx(0.7) == PLAIN.lowest_threshold(scores[[0, 2]], right[[0, 1]], 1.0)


@given(SAMPLES, st.floats(0, 1) | MARGINS, RULES)
def test_a_threshold_lets_out_what_a_search_one_by_one_lets_out(
    samples: list[tuple[float, bool]], bar: float, rule: CpmRule
) -> None:
    scores = f32(*(score for score, _ in samples))
    right = np.array([right for _, right in samples], dtype=np.bool_)

    threshold = rule.lowest_threshold(scores, right, bar)

    expected = scores >= np.float32(lowest_accepted(scores, right, bar, rule))
    assert expected.tolist() == (scores >= np.float32(threshold)).tolist()


@given(SAMPLES.filter(bool), st.floats(0, 1))
def test_a_threshold_lies_strictly_between_two_scores_unless_they_are_neighbours(
    samples: list[tuple[float, bool]], bar: float
) -> None:
    scores = f32(*(score for score, _ in samples))
    right = np.array([right for _, right in samples], dtype=np.bool_)

    threshold = np.float32(PLAIN.lowest_threshold(scores, right, bar))

    assume(threshold != NEVER)
    accepted, refused = scores[scores >= threshold], scores[scores < threshold]
    if threshold in scores:
        assert accepted.min() == threshold
        assert refused.max() == np.nextafter(threshold, np.float32(-1))
    elif len(refused):
        assert refused.max() < threshold < accepted.min()
    else:
        assert pytest.approx(accepted.min() - STEP, abs=1e-7) == threshold


def seen_by(case: Case) -> list[Reached]:
    """Return what the rule sees of each branch, its own thresholds before it."""
    taken = choose_exits(case.exits, case.thresholds())
    return [
        reached(case.exits, case.truth, k, np.flatnonzero(taken > k), CLASSES)
        for k in range(case.exits.branches)
    ]


@given(CASES)
def test_no_class_with_support_is_accepted_at_a_corrected_precision_below_its_bar(
    case: Case,
) -> None:
    rule, thresholds = cpm(case), case.thresholds()
    for seen, threshold in zip(seen_by(case), thresholds, strict=True):
        anchor = seen.everyone if rule.anchor == "all" else seen.survivors
        population = (seen.everyone if rule.population == "all" else seen.survivors).scored()
        for label in range(CLASSES):
            mine = population.labels == label
            answered = anchor.backbone_labels == label
            leaving = mine & (population.scores >= threshold[label])
            if min(mine.sum(), answered.sum()) < rule.min_support or not leaving.any():
                continue
            event("accepted by its own threshold")
            bar = rule.bar(float(anchor.backbone_right[answered].mean()), case.setting)
            assert leaving.sum() >= rule.min_support
            assert corrected_precision(population.right[leaving], rule) >= bar - ROUNDING


@given(CASES)
def test_classes_with_little_support_use_the_threshold_of_all_classes_together(case: Case) -> None:
    rule, thresholds = cpm(case), case.thresholds()
    for seen, threshold in zip(seen_by(case), thresholds, strict=True):
        anchor = seen.everyone if rule.anchor == "all" else seen.survivors
        population = (seen.everyone if rule.population == "all" else seen.survivors).scored()
        hits = anchor.backbone_right
        bar = rule.bar(float(hits.mean()) if len(hits) else 0.0, case.setting)
        pooled = rule.lowest_threshold(population.scores, population.right, bar)
        for label in np.flatnonzero(seen.present):
            mine = (population.labels == label).sum()
            if min(mine, (anchor.backbone_labels == label).sum()) < rule.min_support:
                assert np.float32(pooled) == threshold[label]


@given(CASES, st.randoms(use_true_random=False))
def test_the_order_of_the_samples_changes_nothing(case: Case, random: Random) -> None:
    order = np.array(random.sample(range(len(case.truth)), len(case.truth)), dtype=np.intp)
    shuffled = dataclasses.replace(case, exits=case.exits.select(order), truth=case.truth[order])

    assert np.array_equal(case.thresholds(), shuffled.thresholds())


@given(DEEP_CASES, st.data())
def test_samples_that_an_earlier_branch_let_out_do_not_influence_a_later_one(
    case: Case, data: st.DataObject
) -> None:
    case = with_switches(case, population="survivors", anchor="survivors")
    thresholds = case.thresholds()
    left = choose_exits(case.exits, thresholds) == 1
    event("some left" if left.any() else "nobody left")
    labels, scores = case.exits.labels.copy(), case.exits.scores.copy()
    size = int(left.sum())
    labels[1, left] = data.draw(hnp.arrays(np.int32, size, elements=st.integers(0, CLASSES - 1)))
    scores[1, left] = data.draw(hnp.arrays(np.float32, size, elements=SCORES))
    changed = dataclasses.replace(case, exits=ExitTable(labels, scores))

    assert np.array_equal(thresholds[:2], changed.thresholds()[:2])


@given(DEEP_CASES)
def test_thresholds_on_everyone_ask_nobody_who_left_before(case: Case) -> None:
    """The paper's reference: each branch as if it were the first."""
    case = with_switches(case, population="all", anchor="all")
    everyone = np.arange(len(case.truth))

    expected = [case.branch(k, everyone) for k in range(case.exits.branches)]

    assert np.array_equal(np.stack(expected), case.thresholds())


@given(DEEP_CASES)
def test_a_survivors_anchor_reads_nothing_of_the_others(case: Case) -> None:
    case = with_switches(case, population="survivors", anchor="survivors")
    survivors = np.arange(0, len(case.truth), 2)
    alone = dataclasses.replace(
        case, exits=case.exits.select(survivors), truth=case.truth[survivors]
    )
    assume(set(case.truth) == set(alone.truth))

    assert np.array_equal(alone.branch(1, np.arange(len(survivors))), case.branch(1, survivors))


@given(CASES, st.tuples(MARGINS, MARGINS).map(sorted))
def test_a_larger_margin_never_raises_a_threshold_of_the_first_branch(
    case: Case, margins: list[float]
) -> None:
    strict, lax = (dataclasses.replace(case, setting=m).thresholds()[0] for m in margins)

    assert np.all(strict >= lax)


def test_thresholds_of_two_branches_worked_by_hand() -> None:
    """The backbone is always right, so at margin 0 only faultless samples leave.

    Branch 1 lets out class 0 above 0.7 and class 1 above 0.6. Of the three survivors, branch 2
    lets out class 0 down to its lowest score and class 1 above 0.3; what it would have answered
    for the others, surely and wrongly, does not count.
    """
    truth = np.array([0, 0, 1, 0, 1, 1, 1, 0])
    exits = table(
        [[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0, 1], truth.tolist()],
        [
            [0.9, 0.8, 0.7, 0.6, 0.9, 0.8, 0.7, 0.6],
            [0.99, 0.99, 0.5, 0.4, 0.99, 0.99, 0.99, 0.3],
        ],
    )

    thresholds = PLAIN.calibrate(exits, truth, 2, 0.0)

    expected = np.array([[0.75, 0.65], [0.4 - STEP, 0.4]])
    assert np.float32 == thresholds.dtype
    np.testing.assert_allclose(thresholds, expected, atol=1e-7)


@pytest.mark.parametrize(("population", "expected"), [("survivors", 0.4 - STEP), ("all", NEVER)])
def test_the_population_is_the_survivors_or_everyone(population: Any, expected: float) -> None:
    """Branch 1 lets the sure one out; branch 2 would have been wrong on it, and surest."""
    exits = table([[0, 0, 0], [1, 0, 0], [0, 0, 0]], [[0.9, 0.1, 0.1], [0.9, 0.5, 0.4]])
    truth = np.array([0, 1, 1])
    exits.labels[1:, 1:] = 1
    rule = dataclasses.replace(PLAIN, population=population)

    found = rule.calibrate(exits, truth, 2, 0.0)

    assert pytest.approx(0.5) == found[0, 0]
    assert pytest.approx(expected, abs=1e-7) == found[1, 1]


@pytest.mark.parametrize(("anchor", "expected"), [("all", 0.85), ("survivors", 0.8 - STEP)])
def test_the_anchor_is_the_backbones_precision_on_all_or_on_the_survivors(
    anchor: Any, expected: float
) -> None:
    """The backbone is right on 5 of 6 samples, and on 1 of the 2 survivors."""
    truth = np.array([0, 1, 0, 0, 0, 0])
    exits = table([[0] * 6, [0] * 6], [[0.9, 0.8, 0.1, 0.1, 0.1, 0.1]])
    rule = dataclasses.replace(PLAIN, anchor=anchor)

    found = rule.thresholds(reached(exits, truth, 0, np.arange(2), 2), 0.0)

    np.testing.assert_allclose(found[0], expected, atol=1e-7)


@pytest.mark.parametrize(
    ("form", "margin", "expected"),
    [
        ("relative", 0.0, 0.8),
        ("relative", 0.25, 0.6),
        ("additive", 0.0, 0.8),
        ("additive", 0.25, 0.55),
        ("additive", 1.0, -0.2),
    ],
)
def test_the_bar_lies_a_margin_below_a_precision_of_four_fifths(
    form: Any, margin: float, expected: float
) -> None:
    assert pytest.approx(expected) == CpmRule(margin_form=form).bar(0.8, margin)


def test_a_minimum_support_of_nothing_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^min_support cannot be used: got 0; expected at least 1$"
    ):
        CpmRule(min_support=0)
