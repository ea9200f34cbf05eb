"""Operating points: named threshold tables, and what they do on the samples given."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.calibration import OperatingPoint, operating_point, operating_points, point_name
from calexnet.gating import NEVER, ExitTable
from calexnet.rules.budget import BudgetRule
from calexnet.rules.cpm import CpmRule

PLAIN = CpmRule(min_support=1, finite_sample=False)


def test_an_operating_point_records_what_its_table_does() -> None:
    truth = np.array([0, 1, 1, 0])
    exits = ExitTable(
        labels=np.array([[0, 0, 1, 1], [0, 1, 1, 1]], dtype=np.int32),
        scores=np.array([[0.9, 0.9, 0.9, 0.1], np.ones(4)], dtype=np.float32),
    )
    thresholds = np.array([[0.1 + 0.2, NEVER]], dtype=np.float32)

    point = operating_point("mine", 0.1, thresholds, exits, truth)

    # The two answers of class 0 leave, one of them wrongly; the tail answers 1 and 1.
    third = float(np.float32(0.1 + 0.2))
    assert OperatingPoint("mine", 0.1, ((third, None),), (0.5, 0.5), 0.5, (0.5,)) == point
    assert np.float32 == point.table().dtype
    assert np.array_equal(thresholds, point.table())


def test_a_branch_that_nobody_leaves_at_promises_nothing() -> None:
    exits = ExitTable(np.zeros((2, 3), np.int32), np.ones((2, 3), np.float32))
    never = np.full((1, 2), NEVER, np.float32)

    assert (None,) == operating_point("none", 0.0, never, exits, np.zeros(3, int)).precisions


def test_operating_points_are_one_a_setting_in_rising_order() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5], dtype=np.float32)
    table = ExitTable(np.zeros((2, 5), np.int32), np.stack([scores, scores]))
    truth = np.array([0, 0, 1, 0, 0])

    points = operating_points(table, truth, [0.5, 0.0, 0.5, 0.125], classes=2, rule=PLAIN)

    assert ["margin-0", "margin-0.125", "margin-0.5"] == [point.name for point in points]
    assert [0.0, 0.125, 0.5] == [point.setting for point in points]
    for point in points:
        expected = PLAIN.calibrate(table, truth, 2, point.setting)
        assert np.array_equal(expected, point.table())


@pytest.mark.parametrize(
    ("rule", "setting", "name"),
    [(PLAIN, 0.0, "margin-0"), (PLAIN, 0.02, "margin-0.02"), (BudgetRule(), 1.5, "budget-1.5")],
)
def test_a_setting_names_its_operating_point(
    rule: CpmRule | BudgetRule, setting: float, name: str
) -> None:
    assert name == point_name(rule, setting)
