"""Operating points of a finalist by what they may lose, and what costs foretell of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.choosing import limits
from calexnet.choosing.costs import counted
from calexnet.choosing.finalists import Finalist, How, rungs, typical
from calexnet.choosing.pool import Exit
from calexnet.choosing.rounds import foretold
from calexnet.choosing.search import Aim, alone
from calexnet.devices import open_device
from calexnet.manifest import FULL
from tests.support.choosing_pool import pool
from tests.support.small_cascade import small_data

CHAIN = (Exit("net", "layer1", "heavy"), Exit("net"))


def test_rungs_are_named_by_the_points_that_they_may_lose_the_strictest_first() -> None:
    found, aim = pool(images=400), Aim(0.04, 1000)

    steps = rungs(found, CHAIN, counted(found), aim)

    assert {*steps} <= {"sure", "drop-0", "drop-1", "drop-2", "drop-3", "drop-4"}
    assert len(steps) > 1
    for name, one in steps.items():
        if name == "sure":
            assert aim.sure(one.counts)
        else:
            assert 100 * one.counts.drop <= float(name.removeprefix("drop-"))
    costs = [one.cost for one in steps.values()]
    assert costs == sorted(costs, reverse=True)


def test_the_typical_rung_is_the_cheapest_that_may_be_certified() -> None:
    found, aim = pool(images=400), Aim(0.04, 1000)
    finalist = Finalist(rungs(found, CHAIN, counted(found), aim), Path("bundle"))

    name = typical(finalist, aim)

    hits = [one for one, rung in finalist.rungs.items() if aim.hit(rung.counts)]
    assert hits[-1] == name


def test_a_network_without_gates_has_one_point_without_a_name() -> None:
    found = pool()

    assert {"": alone(found, found.plain, counted(found))} == rungs(
        found, found.plain, counted(found), Aim(0.02, 1000)
    )


def test_what_is_foretold_was_not_measured_and_keeps_no_limit_for_sure() -> None:
    found, aim = pool(images=400), Aim(0.04, 1000)
    cost = counted(found)
    finalist = Finalist(rungs(found, CHAIN, cost, aim), Path("bundle"))
    limit = limits.parse("p95_ms<=8")
    how = How(small_data(8), open_device("cpu"), 1.0, "ms", (limit,), {FULL: cost, "int8": cost})

    rows = foretold([finalist], how, ("int8",))

    assert 2 * len(finalist.rungs) == len(rows)
    assert [FULL, "int8"] == list(dict.fromkeys(row.precision for row in rows))
    for row in rows:
        assert (None, None) == (row.ms, row.ratio)
        assert pytest.approx(row.found.cost) == row.predicted == row.objective
        assert not row.keeps_limits
