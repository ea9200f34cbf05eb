"""Rows of a report by setting: what they are about, and where the verdict changes sides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyRow
from calexnet.bench.report.times import AmortisationRow, CrossoverRow, Flip, LayoutRow

Row = TypeVar("Row", AmortisationRow, CrossoverRow, EnergyRow, LayoutRow)

#: Target, precision and threads: what stays the same along one line of a plot.
Setting = tuple[str, str, int]


def subjects(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """Return the (target, precision) pairs that `rows` are about, in their order."""
    return tuple(dict.fromkeys((row.target, row.precision) for row in rows))


def subjects_of(report: Report) -> tuple[tuple[str, str], ...]:
    """Return the (target, precision) pairs that a report is about."""
    return subjects([*report.amortisation, *report.operating_points])


def by_setting(rows: Iterable[Row]) -> dict[Setting, list[Row]]:
    """Gather rows by target, precision and threads, in the order in which these first come."""
    grouped: dict[Setting, list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.target, row.precision, row.threads), []).append(row)
    return grouped


def flips(crossover: Sequence[CrossoverRow]) -> tuple[Flip, ...]:
    """Return where the verdict changes sides, from one clear batch size to the next clear one."""
    found = []
    for (target, precision, threads), rows in by_setting(crossover).items():
        clear = sorted((r for r in rows if r.verdict != "unclear"), key=lambda row: row.batch)
        found += [
            Flip(
                target=target,
                precision=precision,
                threads=threads,
                from_batch=before.batch,
                from_verdict=before.verdict,
                to_batch=after.batch,
                to_verdict=after.verdict,
            )
            for before, after in pairwise(clear)
            if before.verdict != after.verdict
        ]
    return tuple(found)
