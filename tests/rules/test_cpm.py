"""Class-precision-margin thresholds: hand-worked, against a naive search, and as properties."""

# The expected value comes first in every comparison.
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
from calexnet.rules.base import STEP, reached
from calexnet.rules.cpm import CpmRule

CLASSES = 3
ROUNDING = 1e-12

# Scores on a coarse grid make ties common; neighbouring floats have no middle.
NEIGHBOURS = [float(np.nextafter(np.float32(0.5), np.float32(side))) for side in (0, 1)]
SCORES = st.sampled_from([0.1, 0.2, 0.4, 0.5, 0.7, 0.9, *NEIGHBOURS, np.nan]) | st.floats(
    0, 1, width=32
)
RULES = st.builds(
    CpmRule,
    margin_form=st.sampled_from(["relative", "additive"]),
    anchor=st.sampled_from(["all", "survivors"]),
    min_support=st.integers(1, 4),
    crossing=st.sampled_from(["lowest", "first"]),
    finite_sample=st.booleans(),
)
MARGINS = st.sampled_from([0.0, 0.05, 0.25, 0.5, 1.0])
#: No correction and no minimum, so that examples can be worked by hand.
PLAIN = CpmRule(min_support=1, finite_sample=False)


def lowest_threshold(
    scores: NDArray[np.float32], right: NDArray[np.bool_], bar: float, rule: CpmRule
) -> float:
    """A score of NaN never exits, so no rule sees it."""
    known = ~np.isnan(scores)
    return rule.lowest_threshold(scores[known], right[known], bar)


def calibrate(
    exits: ExitTable, truth: NDArray[Any], *, classes: int, margin: float, rule: CpmRule
) -> NDArray[np.float32]:
    return rule.calibrate(exits, truth, classes, margin)


def calibrate_branch(
    exits: ExitTable,
    truth: NDArray[Any],
    branch: int,
    survivors: NDArray[np.intp],
    *,
    classes: int,
    margin: float,
    rule: CpmRule,
) -> NDArray[np.float32]:
    return rule.thresholds(reached(exits, truth, branch, survivors, classes), margin)


@dataclasses.dataclass(frozen=True)
class Case:
    exits: ExitTable
    truth: NDArray[np.int64]
    margin: float
    rule: CpmRule

    def thresholds(self) -> NDArray[np.float32]:
        return calibrate(
            self.exits, self.truth, classes=CLASSES, margin=self.margin, rule=self.rule
        )

    def branch(self, branch: int, survivors: NDArray[np.intp]) -> NDArray[np.float32]:
        return calibrate_branch(
            self.exits,
            self.truth,
            branch,
            survivors,
            classes=CLASSES,
            margin=self.margin,
            rule=self.rule,
        )


@st.composite
def cases(draw: st.DrawFn, fewest_branches: int = 1) -> Case:
    shape = draw(st.integers(fewest_branches, 3)) + 1, draw(st.integers(0, 24))
    classes = st.integers(0, CLASSES - 1)
    truth = draw(hnp.arrays(np.int64, shape[1], elements=classes))
    answers = draw(hnp.arrays(np.int32, shape, elements=classes))
    # Every second answer or so is right, as after some training.
    right = draw(hnp.arrays(np.bool_, shape))
    labels = np.where(right, truth, answers).astype(np.int32)
    scores = draw(hnp.arrays(np.float32, shape, elements=SCORES))
    return Case(ExitTable(labels, scores), truth, draw(MARGINS), draw(RULES))


def corrected_precision(right: NDArray[np.bool_], rule: CpmRule) -> float:
    return float(right.sum()) / (len(right) + rule.finite_sample)


def lowest_accepted(
    scores: NDArray[np.float32], right: NDArray[np.bool_], bar: float, rule: CpmRule
) -> float:
    """Return the lowest score to let out, tried one by one from the highest; NEVER if none."""
    lowest = NEVER
    for score in sorted({float(s) for s in scores if not np.isnan(s)}, reverse=True):
        accepted = scores >= np.float32(score)
        if accepted.sum() < rule.min_support:
            continue
        if corrected_precision(right[accepted], rule) >= bar - ROUNDING:
            lowest = score
        elif rule.crossing == "first":
            break
    return lowest


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)


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
    found = lowest_threshold(*FIVE, bar, dataclasses.replace(PLAIN, **switches))

    assert pytest.approx(expected, abs=1e-7) == found


def test_equal_scores_leave_together_or_not_at_all() -> None:
    scores, right = f32(0.9, 0.9, 0.5), np.array([True, False, True])

    assert NEVER == lowest_threshold(scores, right, 1.0, PLAIN)
    assert pytest.approx(0.7) == lowest_threshold(scores[[0, 2]], right[[0, 1]], 1.0, PLAIN)


@pytest.mark.parametrize("below", [0.5, *NEIGHBOURS])
def test_between_neighbouring_floats_the_accepted_score_itself_is_the_threshold(
    below: float,
) -> None:
    """Their middle rounds to either of them; rounded down, it would let both out."""
    lowest = float(np.nextafter(np.float32(below), np.float32(1)))

    threshold = lowest_threshold(f32(lowest, below), np.array([True, False]), 1.0, PLAIN)

    assert lowest == threshold


@given(st.lists(st.tuples(SCORES, st.booleans()), max_size=24), st.floats(0, 1) | MARGINS, RULES)
def test_a_threshold_lets_out_what_a_search_one_by_one_lets_out(
    samples: list[tuple[float, bool]], bar: float, rule: CpmRule
) -> None:
    scores = f32(*(score for score, _ in samples))
    right = np.array([right for _, right in samples], dtype=np.bool_)

    threshold = lowest_threshold(scores, right, bar, rule)

    expected = scores >= np.float32(lowest_accepted(scores, right, bar, rule))
    assert expected.tolist() == (scores >= np.float32(threshold)).tolist()


@given(st.lists(st.tuples(SCORES, st.booleans()), min_size=1, max_size=12), st.floats(0, 1))
def test_a_threshold_lies_strictly_between_two_scores_unless_they_are_neighbours(
    samples: list[tuple[float, bool]], bar: float
) -> None:
    scores = f32(*(score for score, _ in samples))
    right = np.array([right for _, right in samples], dtype=np.bool_)

    threshold = np.float32(lowest_threshold(scores, right, bar, PLAIN))

    assume(threshold != NEVER)
    accepted, refused = scores[scores >= threshold], scores[scores < threshold]
    if threshold in scores:
        assert accepted.min() == threshold
        assert refused.max() == np.nextafter(threshold, np.float32(-1))
    elif len(refused):
        assert refused.max() < threshold < accepted.min()
    else:
        assert pytest.approx(accepted.min() - STEP, abs=1e-7) == threshold


@given(cases())
def test_no_class_with_support_leaves_at_a_corrected_precision_below_its_bar(case: Case) -> None:
    exits, rule, backbone = case.exits, case.rule, case.exits.labels[-1]
    thresholds = case.thresholds()
    taken = choose_exits(exits, thresholds)
    for branch in range(exits.branches):
        alive = taken > branch
        anchor = alive if rule.anchor == "survivors" else np.full(len(alive), True)
        for label in range(CLASSES):
            scored = ~np.isnan(exits.scores[branch])
            mine = alive & scored & (exits.labels[branch] == label)
            answered = anchor & (backbone == label)
            leaving = mine & (taken == branch + 1)
            if min(mine.sum(), answered.sum()) < rule.min_support or not leaving.any():
                continue
            bar = rule.bar(float((case.truth[answered] == label).mean()), case.margin)
            assert leaving.sum() >= rule.min_support
            assert corrected_precision(case.truth[leaving] == label, rule) >= bar - ROUNDING


@given(cases())
def test_classes_with_little_support_use_the_threshold_of_all_classes_together(case: Case) -> None:
    exits, rule, backbone = case.exits, case.rule, case.exits.labels[-1]
    thresholds = case.thresholds()
    taken = choose_exits(exits, thresholds)
    for branch in range(exits.branches):
        alive = taken > branch
        anchor = alive if rule.anchor == "survivors" else np.full(len(alive), True)
        hits = backbone[anchor] == case.truth[anchor]
        bar = rule.bar(float(hits.mean()) if len(hits) else 0.0, case.margin)
        right = exits.labels[branch][alive] == case.truth[alive]
        pooled = lowest_threshold(exits.scores[branch][alive], right, bar, rule)
        for label in range(CLASSES):
            scored = ~np.isnan(exits.scores[branch][alive])
            mine = (scored & (exits.labels[branch][alive] == label)).sum()
            if label not in case.truth:
                assert thresholds[branch, label] == NEVER
            elif min(mine, (backbone[anchor] == label).sum()) < rule.min_support:
                assert np.float32(pooled) == thresholds[branch, label]


@given(cases(), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_changes_nothing(case: Case, random: Random) -> None:
    order = np.array(random.sample(range(len(case.truth)), len(case.truth)), dtype=np.intp)
    shuffled = dataclasses.replace(case, exits=case.exits.select(order), truth=case.truth[order])

    assert np.array_equal(case.thresholds(), shuffled.thresholds())


@given(cases(fewest_branches=2), st.data())
def test_samples_that_an_earlier_branch_let_out_do_not_influence_a_later_one(
    case: Case, data: st.DataObject
) -> None:
    thresholds = case.thresholds()
    left = choose_exits(case.exits, thresholds) == 1
    event("some left" if left.any() else "nobody left")
    labels, scores = case.exits.labels.copy(), case.exits.scores.copy()
    size = int(left.sum())
    labels[1, left] = data.draw(hnp.arrays(np.int32, size, elements=st.integers(0, CLASSES - 1)))
    scores[1, left] = data.draw(hnp.arrays(np.float32, size, elements=SCORES))
    changed = dataclasses.replace(case, exits=ExitTable(labels, scores))

    assert np.array_equal(thresholds, changed.thresholds())


@given(cases(fewest_branches=2))
def test_a_survivors_anchor_reads_nothing_of_the_others(case: Case) -> None:
    case = dataclasses.replace(case, rule=dataclasses.replace(case.rule, anchor="survivors"))
    survivors = np.arange(0, len(case.truth), 2)
    alone = dataclasses.replace(
        case, exits=case.exits.select(survivors), truth=case.truth[survivors]
    )

    # But for which classes there are samples of at all.
    present = np.isin(np.arange(CLASSES), case.truth[survivors])
    found = alone.branch(1, np.arange(len(survivors)))
    assert np.array_equal(found[present], case.branch(1, survivors)[present])


@given(cases(), st.tuples(MARGINS, MARGINS).map(sorted))
def test_a_larger_margin_never_raises_a_threshold_of_the_first_branch(
    case: Case, margins: list[float]
) -> None:
    strict, lax = (dataclasses.replace(case, margin=m).thresholds()[0] for m in margins)

    assert np.all(strict >= lax)


def test_thresholds_of_two_branches_worked_by_hand() -> None:
    """The backbone is always right, so at margin 0 only faultless samples leave.

    Branch 1 lets out class 0 above 0.7 and class 1 above 0.6. Of the three survivors, branch 2
    lets out class 0 down to its lowest score and class 1 above 0.3; what it would have answered
    for the others, surely and wrongly, does not count.
    """
    truth = np.array([0, 0, 1, 0, 1, 1, 1, 0])
    exits = ExitTable(
        labels=np.array(
            [[0, 0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0, 0, 1], truth], dtype=np.int32
        ),
        scores=np.array(
            [
                [0.9, 0.8, 0.7, 0.6, 0.9, 0.8, 0.7, 0.6],
                [0.99, 0.99, 0.5, 0.4, 0.99, 0.99, 0.99, 0.3],
                np.ones(8),
            ],
            dtype=np.float32,
        ),
    )

    thresholds = calibrate(exits, truth, classes=2, margin=0.0, rule=PLAIN)

    expected = np.array([[0.75, 0.65], [0.4 - STEP, 0.4]])
    assert np.float32 == thresholds.dtype
    np.testing.assert_allclose(thresholds, expected, atol=1e-7)


@pytest.mark.parametrize(("anchor", "expected"), [("all", 0.85), ("survivors", 0.8 - STEP)])
def test_the_anchor_is_the_backbones_precision_on_all_or_on_the_survivors(
    anchor: Any, expected: float
) -> None:
    """The backbone is right on 5 of 6 samples, and on 1 of the 2 survivors."""
    truth = np.array([0, 1, 0, 0, 0, 0])
    exits = ExitTable(
        labels=np.zeros((2, 6), dtype=np.int32),
        scores=np.array([[0.9, 0.8, 0.1, 0.1, 0.1, 0.1], np.ones(6)], dtype=np.float32),
    )
    rule = dataclasses.replace(PLAIN, anchor=anchor)

    found = calibrate_branch(exits, truth, 0, np.arange(2), classes=1, margin=0.0, rule=rule)

    np.testing.assert_allclose(found, [expected], atol=1e-7)


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


def test_no_samples_let_nobody_out() -> None:
    nothing = ExitTable(np.empty((2, 0), np.int32), np.empty((2, 0), np.float32))
    truth = np.empty(0, np.int64)

    thresholds = calibrate(nothing, truth, classes=CLASSES, margin=1.0, rule=PLAIN)

    assert np.all(thresholds == NEVER)


def test_on_all_samples_the_earlier_exits_do_not_matter() -> None:
    """The paper's reference: the second branch's bar is met by all, not by those that stayed."""
    exits = ExitTable(
        np.zeros((3, 4), np.int32),
        f32(*[0.9, 0.9, 0.1, 0.1], *[0.8, 0.7, 0.6, 0.5], *4 * [1.0]).reshape(3, 4),
    )
    truth = np.array([0, 0, 1, 0])

    survivors, everyone = (
        dataclasses.replace(PLAIN, population=population).thresholds(
            reached(exits, truth, 1, np.array([2, 3]), 2), 0.0
        )[0]
        for population in ("survivors", "all")
    )

    # The bar is 3/4. Of the survivors' answers half are right, of all four three are.
    assert NEVER == survivors
    assert pytest.approx(0.5 - STEP) == everyone
