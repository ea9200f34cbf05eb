"""What a table of the report is made of, and the columns that several of them begin with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from calexnet.bench.model.settings import subjects_of
from calexnet.bench.report.document import Report
from calexnet.bench.words.figures import MISSING, significant

Row = TypeVar("Row")

#: How a cell is set: ``word`` on one line, ``figure`` on one line to the right, ``prose`` wrapped.
Kind = Literal["word", "figure", "prose"]


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column: its title, with the unit, and what it shows of a record."""

    title: str
    cell: Callable[[Row], str]
    kind: Kind = "figure"


@dataclass(frozen=True)
class Table(Generic[Row]):
    """Records under one heading.

    Attributes:
        anchor: Names the table in links.
        title: The heading.
        notes: Paragraphs to read before the table: what it says, how to read it.
        columns: From left to right.
        records: From top to bottom.
    """

    anchor: str
    title: str
    notes: tuple[str, ...]
    columns: tuple[Column[Row], ...]
    records: tuple[Row, ...]

    @property
    def rows(self) -> tuple[tuple[str, ...], ...]:
        """The cells' text, row by row."""
        return tuple(tuple(c.cell(record) for c in self.columns) for record in self.records)


@dataclass(frozen=True)
class Comparison:
    """One line that sets plain beside cascade; every field as it is shown."""

    what: str
    plain: str
    cascade: str
    difference: str


#: Its columns.
COMPARISON: tuple[Column[Comparison], ...] = (
    Column("What", lambda c: c.what, "prose"),
    Column("Plain", lambda c: c.plain),
    Column("Cascade", lambda c: c.cascade),
    Column("Difference", lambda c: c.difference, "prose"),
)

#: The columns of tables with a row for every setting.
SETTING: tuple[Column[Any], ...] = (
    Column("Batch", lambda row: str(row.batch)),
    Column("Threads", lambda row: str(row.threads)),
)


def subject_columns(report: Report) -> tuple[Column[Any], ...]:
    """Return the columns for target and precision; none if the report is about one pair."""
    if len(subjects_of(report)) == 1:
        return ()
    return (
        Column("Target", lambda row: row.target, "word"),
        Column("Precision", lambda row: row.precision, "word"),
    )


def facts(
    anchor: str, heading: str, notes: tuple[str, ...], pairs: tuple[tuple[str, str], ...]
) -> Table[tuple[str, str]]:
    """Return a table of names and values; values are prose, for paths and hashes are long."""
    return Table(
        anchor,
        heading,
        notes,
        (
            Column("What", lambda pair: pair[0], "prose"),
            Column("Value", lambda pair: pair[1], "prose"),
        ),
        pairs,
    )


def with_unit(value: float | None, unit: str) -> str:
    """Return a figure with its unit, or that it is missing."""
    return MISSING if value is None else f"{significant(value)} {unit}"


def last_named(number: int, last: int, name: str) -> str:
    """Return a number, the last one with its name."""
    return f"{number} ({name})" if number == last else str(number)
