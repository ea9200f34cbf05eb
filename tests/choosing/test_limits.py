"""What ``--require`` can ask, and what it comes to in a report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.choosing import limits
from calexnet.choosing.choice import Figure, Limit
from calexnet.choosing.limits import Cell
from calexnet.errors import InputError
from tests.support.sample_report import sample_report


def cell(network: str) -> Cell:
    report = sample_report()
    row = report.latency[0]
    return Cell(report, Path("bundle"), row.target, row.precision, network, ms=1.5)


def test_a_limit_is_read_with_its_metric_operator_and_value() -> None:
    assert Limit("p95_ms<=8", "p95_ms", "<=", 8.0) == limits.parse("p95_ms<=8")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("p95_ms", "a gate cannot be read"),
        ("speed<8", "unknown metric: got 'speed'; expected one of mean_ms"),
        ("p95_ms[batch=8]<8", "unknown key in"),
        ("p95_ms.high<8", "a limit is held against the estimate"),
    ],
)
def test_what_is_no_limit_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        limits.parse(text)


@pytest.mark.parametrize("network", ["plain", "cascade"])
def test_a_figure_is_that_of_the_network_that_is_asked_for(network: str) -> None:
    one = cell(network)
    rows = [
        row
        for row in one.report.latency
        if (row.network, row.batch, row.threads) == (network, 1, 1) and one.is_of(row)
    ]

    found = limits.figure(limits.parse("mean_ms<=1000"), one)

    assert Figure("mean_ms<=1000", rows[0].mean_ms.value, True) == found


def test_what_nobody_knows_does_not_keep_a_limit() -> None:
    without = replace(cell("cascade"), report=replace(sample_report(), latency=(), energy=()))

    for text in ("p95_ms<=1000", "mj<=1000"):
        assert Figure(text, None, False) == limits.figure(limits.parse(text), without)


def test_the_worst_of_a_network_without_gates_is_its_mean() -> None:
    assert Figure("worst_ms<1", 1.5, False) == limits.figure(
        limits.parse("worst_ms<1"), cell("plain")
    )
