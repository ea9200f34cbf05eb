"""Which is faster where: one ratio for every setting and batch size, the report on one screen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from calexnet.bench.model.settings import Setting, by_setting, subjects
from calexnet.bench.model.statistics import verdict
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import AmortisationRow, Verdict
from calexnet.bench.words.conclusions import setting_name
from calexnet.bench.words.figures import MISSING, significant
from calexnet.bench.words.tables.table import Column, Table


@dataclass(frozen=True)
class Line:
    """One target, precision and thread setting; what was measured by batch size."""

    setting: Setting
    name: str
    cells: dict[int, AmortisationRow]


def lines(report: Report) -> tuple[Line, ...]:
    """Return a line for every setting, in the report's order."""
    return tuple(
        Line(setting, setting_name(report.amortisation, setting), {row.batch: row for row in rows})
        for setting, rows in by_setting(report.amortisation).items()
    )


def notes(report: Report) -> tuple[str, ...]:
    """Return how to read it."""
    several = len(subjects(report.amortisation)) > 1
    where = (
        "Each line is one runtime (the target), the precision of its numbers (fp32 is full, int8 "
        "is rounded to 8 bits), and how many processor threads it may use.",
    )
    return (
        "Time of the cascade over time of plain, by how many images go into one call (the batch): "
        "under 1 the cascade is faster. A question mark: unclear, as the 95 % interval of the "
        "ratio holds 1. The cascade is at its default operating point, "
        f"{report.bundle.operating_point}.",
        *(where if several else ()),
    )


def batches(found: Iterable[Line]) -> tuple[int, ...]:
    """Return every batch size that was measured, rising."""
    return tuple(sorted({batch for line in found for batch in line.cells}))


def verdict_of(row: AmortisationRow) -> Verdict:
    """Return who is faster."""
    return verdict(Interval(row.ratio, row.ratio_low, row.ratio_high))


def shown(ratio: float, decided: Verdict) -> str:
    """Return a ratio, with a question mark if it is unclear on which side of 1 it lies."""
    return significant(ratio) + ("?" if decided == "unclear" else "")


def table(report: Report) -> Table[Line]:
    """Return the overview as a table."""
    found = lines(report)
    columns = (
        Column[Line]("Setting", lambda line: line.name, "word"),
        *(_column(batch) for batch in batches(found)),
    )
    return Table("overview", "Where is the cascade faster?", notes(report), columns, found)


def text(report: Report) -> str:
    """Return the overview for a terminal, in columns."""
    found = lines(report)
    sizes = batches(found)
    corner = "images a call"
    wide = max(len(words) for words in (corner, *(line.name for line in found)))
    head = f"{corner:{wide}}" + "".join(f"{batch:>8} " for batch in sizes)
    rows = [
        f"{line.name:{wide}}" + "".join(_padded(_cell(line, b)) for b in sizes) for line in found
    ]
    return "\n".join([head.rstrip(), *(row.rstrip() for row in rows)])


def _column(batch: int) -> Column[Line]:
    return Column(f"Batch {batch}", lambda line: _cell(line, batch))


def _cell(line: Line, batch: int) -> str:
    row = line.cells.get(batch)
    return MISSING if row is None else shown(row.ratio, verdict_of(row))


def _padded(cell: str) -> str:
    """Return a cell with its figure to the right, the question mark beside."""
    figure = cell.removesuffix("?")
    return f"{figure:>8}{cell[len(figure) :] or ' '}"
