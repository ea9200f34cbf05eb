"""Dataclasses as CSV: nested ones flat, unknown ones empty."""

from __future__ import annotations

from dataclasses import dataclass

from calexnet.bench.report import csv
from calexnet.bench.report.interval import Interval


@dataclass(frozen=True)
class Part:
    joules: float
    kind: str


@dataclass(frozen=True)
class Row:
    name: str
    share: float | None
    rates: tuple[float, ...]
    p50_ms: Interval | None
    gross: Part | None
    fits: bool
    parts: tuple[Part, ...] = ()


def test_by_hand() -> None:
    rows = [
        Row(
            'a,"b"',
            1 / 3,
            (0.25, 0.75),
            Interval(1.0, 0.5, 2.0),
            Part(3.0, "x"),
            True,
            (Part(1.5, "y"),) * 2,
        ),
        Row("c\nd", None, (), None, None, False),
    ]
    assert csv.render(Row, rows) == (
        "name,share,rates,p50_ms,p50_ms_low,p50_ms_high,gross_joules,gross_kind,fits,parts\n"
        '"a,""b""",0.333333,0.25 0.75,1,0.5,2,3,x,True,1.5:y 1.5:y\n'
        '"c\nd",,,,,,,,False,\n'
    )


def test_no_records_leave_the_header() -> None:
    assert csv.render(Part, []) == "joules,kind\n"
