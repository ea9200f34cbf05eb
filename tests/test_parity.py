"""Decision parity: flips, their margins, and what rounding explains; worked by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from calexnet.gating import NEVER, ExitTable, choose_exits
from calexnet.parity import (
    BOUND,
    WEAK,
    Answers,
    ExitFlips,
    Parity,
    Side,
    bound_of,
    compare,
    doubtful,
)

TRUTH = np.array([0, 1, 1], np.int64)
#: Two exits, three samples, two classes.
TABLE = np.array(
    [[[0.9, 0.1], [0.4, 0.6], [0.45, 0.55]], [[0.8, 0.2], [0.3, 0.7], [0.2, 0.8]]], np.float32
)
THRESHOLDS = np.array([[0.75, 0.75]], np.float32)


def answers(table: NDArray[Any]) -> Answers:
    table = np.asarray(table, np.float32)
    labels, scores = table.argmax(2).astype(np.int32), table.max(2)
    return Answers(ExitTable(labels, scores), table, labels[-1], scores[-1])


def side(table: NDArray[Any] = TABLE, thresholds: Any = THRESHOLDS) -> Side:
    return Side("one", answers(table), np.asarray(thresholds, np.float32))


def changed(exit_index: int, sample: int, first: float) -> NDArray[np.float32]:
    table = TABLE.copy()
    table[exit_index, sample] = first, 1 - first
    return table


def parity(found: Side, reference: Side | None = None, truth: Any = TRUTH) -> Parity:
    reference = reference or side()
    return compare(reference, found, truth, [reference.thresholds])


def test_a_build_follows_itself() -> None:
    found = parity(side())

    assert (3, 0.0, 0, 0) == (
        found.samples,
        found.score_difference,
        found.label_flips,
        found.exit_flips,
    )
    # Sample 1 of 3 leaves at once.
    assert (ExitFlips((), (), 1, 0), ExitFlips((), (), 2, 0)) == found.exits
    assert 0 == found.answers
    assert pytest.approx(1 / 3) == found.early
    assert found.is_rounding
    # Sample 1 leaves at once, the others stay; all are right.
    assert (1.0, 1.0) == (found.accuracy, found.reference_accuracy)


def test_a_label_flips_by_what_the_reference_gave_its_own_answer_more() -> None:
    found = parity(side(changed(0, 2, 0.52)))

    assert pytest.approx((0.1,), abs=1e-6) == found.exits[0].label_margins
    assert () == found.exits[0].exit_margins
    assert (1, 0) == (found.label_flips, found.exit_flips)
    assert not found.is_rounding
    assert () == found.plain_margins


def test_plain_is_judged_by_its_own_labels() -> None:
    found = side()
    other = replace(found.answers, plain_labels=np.array([1, 1, 1], np.int32))

    result = parity(replace(found, answers=other))

    assert pytest.approx((0.6,), abs=1e-6) == result.plain_margins
    assert 0 == result.label_flips
    assert not result.is_rounding


def test_a_sample_that_leaves_on_one_side_alone_counts_where_the_ways_part() -> None:
    later = parity(side(changed(0, 0, 0.7)))  # stays for the last exit instead
    sooner = parity(side(changed(0, 1, 0.2)))  # leaves at the first exit instead

    assert pytest.approx((0.15,), abs=1e-6) == later.exits[0].exit_margins
    assert pytest.approx((0.15,), abs=1e-6) == sooner.exits[0].exit_margins
    assert () == later.exits[1].exit_margins == sooner.exits[1].exit_margins


def test_each_side_has_its_own_thresholds() -> None:
    lower = side(TABLE * [1.0, 1.0], [[0.75, 0.58]])

    found = parity(lower)

    assert 1 == found.exit_flips
    assert 0.0 == found.score_difference


def test_the_margin_of_a_class_that_never_exits_is_one() -> None:
    closed = side(thresholds=[[NEVER, NEVER]])

    found = parity(side(), closed)

    assert (1.0,) == found.exits[0].exit_margins


def test_accuracy_is_that_of_the_cascade_on_each_side() -> None:
    found = parity(side(changed(1, 2, 0.9)))

    assert pytest.approx(2 / 3) == found.accuracy
    assert 1.0 == found.reference_accuracy


@pytest.mark.parametrize(("score", "doubt"), [(0.75 + 0.9e-4, True), (0.7502, False)])
def test_a_decision_within_the_bound_of_its_threshold_is_rounding(
    score: float, doubt: bool
) -> None:
    table = answers(changed(0, 0, score)).exits

    assert [doubt, False, False] == doubtful(table, THRESHOLDS).tolist()


def test_a_check_with_many_doubtful_decisions_is_weak() -> None:
    firm = parity(side())

    assert not firm.is_weak
    assert not replace(firm, within_bound=WEAK).is_weak
    assert replace(firm, within_bound=WEAK + 1e-6).is_weak


def test_the_share_within_the_bound_is_taken_over_all_operating_points() -> None:
    tables = [THRESHOLDS, np.array([[0.9, 0.9]], np.float32)]

    found = compare(side(), side(), TRUTH, tables)

    assert pytest.approx(1 / 6) == found.within_bound


@pytest.mark.parametrize(
    ("change", "rounding"),
    [
        ({"score_difference": BOUND}, True),
        ({"score_difference": BOUND * 1.01}, False),
        ({"score_difference": float("nan")}, False),
        ({"plain_margins": (2 * BOUND,)}, True),
        ({"plain_margins": (2.1 * BOUND,)}, False),
        ({"exits": (ExitFlips((2 * BOUND,), (BOUND,)),)}, True),
        ({"exits": (ExitFlips((), (1.1 * BOUND,)),)}, False),
        ({"exits": (ExitFlips((2.1 * BOUND,), ()),)}, False),
    ],
)
def test_what_counts_as_rounding(change: dict[str, Any], rounding: bool) -> None:
    assert rounding == replace(parity(side()), **change).is_rounding


def test_joined_answers_are_those_of_all_samples_in_order() -> None:
    whole = answers(TABLE)

    joined = Answers.joined([answers(TABLE[:, :1]), answers(TABLE[:, 1:])])

    for one, other in (
        (whole.exits.labels, joined.exits.labels),
        (whole.exits.scores, joined.exits.scores),
        (whole.probabilities, joined.probabilities),
        (whole.plain_labels, joined.plain_labels),
        (whole.plain_scores, joined.plain_scores),
    ):
        assert np.array_equal(one, other)


probabilities = arrays.arrays(np.float32, (3, 5, 2), elements=st.floats(0, 1, width=32))
tables = arrays.arrays(np.float32, (2, 2), elements=st.floats(0, 1, width=32) | st.just(NEVER))


@given(probabilities, probabilities, tables, tables)
def test_flips_and_margins_add_up(
    one: NDArray[Any], other: NDArray[Any], first: NDArray[Any], second: NDArray[Any]
) -> None:
    reference, found = side(one, first), side(other, second)

    result = parity(found, reference, np.zeros(5, np.int64))

    differing = (reference.answers.exits.labels != found.answers.exits.labels).sum(1)
    assert differing.tolist() == [len(flips.label_margins) for flips in result.exits]
    wanted = choose_exits(reference.answers.exits, reference.thresholds)
    taken = choose_exits(found.answers.exits, found.thresholds)
    assert int((wanted != taken).sum()) == result.exit_flips
    assert () == result.exits[-1].exit_margins
    for flips in result.exits:
        for margins in (flips.label_margins, flips.exit_margins):
            assert sorted(margins, reverse=True) == list(margins)
            assert all(0 <= margin <= 1 for margin in margins)


def test_answers_that_differ_are_counted_at_the_exit_where_the_reference_lets_them_out() -> None:
    """Sample 0 leaves at once; the last exit says something else of sample 2."""
    found = parity(side(changed(1, 2, 0.9)))

    assert [(1, 0), (2, 1)] == [(flips.leaving, flips.answers) for flips in found.exits]
    assert 1 == found.answers


def test_a_label_that_flips_where_nobody_leaves_is_no_other_answer() -> None:
    found = parity(side(changed(0, 2, 0.52)))

    assert (1, 0) == (found.label_flips, found.answers)


@pytest.mark.parametrize(
    ("rounding", "bound"),
    [(None, 1e-4), (0.0, 1e-4), (1e-5, 1e-4), (8e-5, 8e-4), (9e-4, 9e-3), (0.5, 1e-2)],
)
def test_the_bound_is_ten_times_what_rounding_does_and_no_free_pass(
    rounding: float | None, bound: float
) -> None:
    assert pytest.approx(bound) == bound_of(rounding)


def test_a_deep_network_is_held_to_its_own_rounding() -> None:
    """As a ResNeXt-50 was: no other label, no other exit, scores within 1.6e-4."""
    reference, found = side(), side(changed(0, 0, 0.9 + 1.6e-4))

    strict, fair = (
        compare(reference, found, TRUTH, [THRESHOLDS], rounding) for rounding in (None, 2e-5)
    )

    (breach,) = strict.breaches
    assert ("score", BOUND) == (breach.rule, breach.limit)
    assert "scores differ by up to 1.6e-04, and rounding explains 1.0e-04" == str(breach)
    assert () == fair.breaches
    assert 2e-5 == fair.rounding
    assert pytest.approx(2e-4) == fair.bound


def test_a_score_of_nan_is_no_rounding_wherever_it_is() -> None:
    found = side()
    spoilt = np.array([np.nan, 0.7, 0.8], np.float32)

    plain = parity(replace(found, answers=replace(found.answers, plain_scores=spoilt)))

    (breach,) = plain.breaches
    assert "score" == breach.rule
    assert np.isnan(breach.value)
