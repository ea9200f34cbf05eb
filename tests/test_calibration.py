"""Operating points: named tables, and what they do on the samples that they were found on."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.calibration import (
    CutNetwork,
    OperatingPoint,
    class_hits,
    cut_networks,
    cut_point,
    operating_point,
    operating_points,
    point_name,
)
from calexnet.certify import Counts
from calexnet.gating import NEVER, ExitTable, choose_exits
from calexnet.rules.base import Rule
from calexnet.rules.budget import BudgetRule
from calexnet.rules.cpm import CpmRule
from calexnet.rules.paired import PairedRule
from calexnet.rules.price import PriceRule
from calexnet.rules.threshold import ThresholdRule

PLAIN = CpmRule(min_support=1, finite_sample=False)
#: Running precision, by falling score: 1, 1, 2/3, 3/4, 4/5.
FIVE = ExitTable(
    np.zeros((2, 5), np.int32), np.tile(np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32), (2, 1))
)
FIVE_TRUTH = np.array([0, 0, 1, 0, 0])


def test_a_point_records_rates_accuracy_and_precisions_and_keeps_its_table_exactly() -> None:
    truth = np.array([0, 1, 1, 0])
    exits = ExitTable(
        labels=np.array([[0, 0, 1, 1], [0, 1, 1, 1]], dtype=np.int32),
        scores=np.array([[0.9, 0.9, 0.9, 0.1], np.ones(4)], dtype=np.float32),
    )
    thresholds = np.array([[0.1 + 0.2, NEVER]], dtype=np.float32)

    point = operating_point("mine", 0.1, thresholds, exits, truth)

    # The two answers of class 0 leave, one of them wrongly; the tail answers 1 and 1.
    third = float(np.float32(0.1 + 0.2))
    # Plain is right but on the last; the second leaves with another answer than plain's.
    counted = Counts(images=4, harmed=1, helped=0)
    assert OperatingPoint("mine", 0.1, ((third, None),), (0.5, 0.5), 0.5, (0.5,), counted) == point
    assert np.float32 == point.table().dtype
    assert np.array_equal(thresholds, point.table())


def test_a_point_is_counted_against_the_reference_that_is_given() -> None:
    thresholds = np.full((1, 1), 0.65, np.float32)
    reference = np.array([True, False, True, True, True])

    point = operating_point("mine", 0.0, thresholds, FIVE, FIVE_TRUTH, reference)

    # It answers all but the third rightly.
    assert Counts(images=5, harmed=1, helped=1) == point.counts
    same = operating_point("mine", 0.0, thresholds, FIVE, FIVE_TRUTH)
    assert Counts(images=5, harmed=0, helped=0) == same.counts


def test_the_network_cut_after_each_stage_answers_as_its_branch_does() -> None:
    truth = np.array([0, 1, 1, 0])
    labels = np.array([[0, 0, 0, 1], [0, 1, 0, 1], [0, 1, 1, 1]], dtype=np.int32)
    exits = ExitTable(labels, np.ones((3, 4), np.float32))

    # Plain is right but on the last; the first branch on the first alone, the second on two.
    expected = (CutNetwork(0.25, Counts(4, 2, 0)), CutNetwork(0.5, Counts(4, 1, 0)))
    assert expected == cut_networks(exits, truth)
    # Held against another network, which is right on the last two.
    other = cut_networks(exits, truth, np.array([False, False, True, True]))
    assert [Counts(4, 2, 1), Counts(4, 2, 2)] == [one.counts for one in other]


def test_a_cut_network_is_the_point_at_which_everybody_leaves_there() -> None:
    known = CutNetwork(0.6, Counts(5, 2, 1))

    point = cut_point("cut", 2, (2, 3), known)

    assert [[NEVER] * 3, [-np.inf] * 3] == point.table().tolist()
    assert ((0.0, 1.0, 0.0), 0.6, (None, 0.6)) == (
        point.exit_rates,
        point.accuracy,
        point.precisions,
    )
    assert known.counts == point.counts
    table = ExitTable(np.zeros((3, 4), np.int32), np.zeros((3, 4), np.float32))
    assert [2, 2, 2, 2] == choose_exits(table, point.table()).tolist()


def test_each_class_has_those_who_leave_under_its_name() -> None:
    truth = np.array([0, 1, 1, 0, 2])
    exits = ExitTable(
        labels=np.array([[0, 0, 1, 0, 2], [2, 1, 1, 1, 2], [0] * 5], dtype=np.int32),
        scores=np.array([[0.9, 0.9, 0.9, 0.1, 0.9], [0.9] * 5, [1] * 5], dtype=np.float32),
    )
    thresholds = np.array([[0.5, 0.5, NEVER], [0.5, 0.5, 0.5]], dtype=np.float32)

    left, right = class_hits(thresholds, exits, truth)

    # Two leave as 0, one of them wrongly, and one as 1; then one as 1, wrongly, and one as 2.
    assert [[2, 1, 0], [0, 1, 1]] == left.tolist()
    assert [[1, 1, 0], [0, 0, 1]] == right.tolist()


def test_a_precision_is_of_those_who_leave_at_the_branch_and_none_where_nobody_does() -> None:
    truth = np.array([0, 0, 0, 1])
    exits = ExitTable(
        labels=np.array([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1]], dtype=np.int32),
        scores=np.array([[0.9, 0.9, 0.1, 0.1], [0.9] * 4, [0.9] * 4, [1] * 4], dtype=np.float32),
    )
    thresholds = np.array([[0.5, 0.5], [0.5, 0.5], [0.0, 0.0]], dtype=np.float32)

    point = operating_point("mine", 0.0, thresholds, exits, truth)

    # Branch 1: right and wrong; branch 2, for the other two: right and wrong; then nobody is left.
    assert (0.5, 0.5, None) == point.precisions
    assert (0.5, 0.5, 0.0, 0.0) == point.exit_rates
    assert 0.5 == point.accuracy


def test_a_threshold_that_lets_everybody_out_is_no_never() -> None:
    point = operating_point("all", 0.0, np.full((1, 1), -1.0, np.float32), FIVE, FIVE_TRUTH)

    assert ((-1.0,),) == point.thresholds
    assert (1.0, 0.0) == point.exit_rates
    assert pytest.approx(4 / 5) == point.precisions[0]


def test_operating_points_are_one_a_setting_in_rising_order() -> None:
    points = operating_points(FIVE, FIVE_TRUTH, [0.5, 0.0, 0.5, 0.125], classes=2, rule=PLAIN)

    assert ["margin-0", "margin-0.125", "margin-0.5"] == [point.name for point in points]
    assert [0.0, 0.125, 0.5] == [point.setting for point in points]
    for point in points:
        expected = PLAIN.calibrate(FIVE, FIVE_TRUTH, 2, point.setting)
        assert np.array_equal(expected, point.table())


@pytest.mark.parametrize(
    ("rule", "setting", "name"),
    [
        (CpmRule(), 0.0, "margin-0"),
        (CpmRule(), 0.02, "margin-0.02"),
        (PairedRule(), 0.005, "slack-0.005"),
        (PriceRule(), -0.1, "price--0.1"),
        (ThresholdRule(), 0.9999, "threshold-0.9999"),
        (BudgetRule(), 2.0, "budget-2"),
    ],
)
def test_rule_and_setting_name_an_operating_point(rule: Rule, setting: float, name: str) -> None:
    assert name == point_name(rule, setting)


def test_every_setting_of_a_grid_has_a_name_of_its_own() -> None:
    for rule in (CpmRule(), PairedRule(), PriceRule(), ThresholdRule(), BudgetRule()):
        settings = {*rule.grid, *rule.settings}
        assert len(settings) == len({point_name(rule, setting) for setting in settings})


def test_each_branch_is_calibrated_on_the_survivors_of_the_one_before() -> None:
    scores = np.array([[8, 7, 6, 5, 4, 3, 2, 1], [1, 1, 1, 1, 1, 2, 3, 4], [9] * 8], np.float32)
    exits = ExitTable(np.zeros((3, 8), np.int32), scores)
    truth = np.zeros(8, dtype=np.int64)

    found = BudgetRule().calibrate(exits, truth, 1, 1.0)
    all_at_once = ThresholdRule().calibrate(exits, truth, 1, 2.5)

    # A third of eight leave first, rounded; of the five left, half: the two surest of branch 2.
    assert [1, 1, 1, 3, 3, 3, 2, 2] == choose_exits(exits, found).tolist()
    assert [1, 1, 1, 1, 1, 1, 2, 2] == choose_exits(exits, all_at_once).tolist()


def test_no_samples_let_nobody_out() -> None:
    nothing = ExitTable(np.empty((2, 0), np.int32), np.empty((2, 0), np.float32))
    truth = np.empty(0, np.int64)

    thresholds = PLAIN.calibrate(nothing, truth, 3, 1.0)
    point = operating_point("none", 1.0, thresholds, nothing, truth)

    assert np.all(thresholds == NEVER)
    assert (0.0, 0.0) == point.exit_rates
    assert 0.0 == point.accuracy
    assert (None,) == point.precisions
