"""The table of what branches cost, by hand."""

from __future__ import annotations

from calexnet.cli.head_costs import head_costs
from calexnet.costs import Macs, Parameters


def test_each_branch_stands_beside_the_network() -> None:
    macs = Macs(stages=(100, 200, 700), branches=(10, 25), gates=(0, 0))

    lines = head_costs(("one", "two"), macs, Parameters(1600, (400, 300))).splitlines()

    assert [
        ["one", "10", "1.0%", "400", "25.0%", "90.0%"],
        ["two", "25", "2.5%", "300", "18.8%", "70.0%"],
        ["all", "35", "3.5%", "700", "43.8%"],
        ["plain", "1,000", "1,600"],
    ] == [line.split() for line in lines[1:]]


def test_a_network_that_multiplies_nothing_has_no_shares() -> None:
    lines = head_costs(("one",), Macs((0, 0), (0,), (0,)), Parameters(0, (3,))).splitlines()

    assert ["one", "0", "-", "3", "-", "-"] == lines[1].split()
