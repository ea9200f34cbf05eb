"""The report as Markdown, with GitHub's tables."""

from __future__ import annotations

import re
from typing import Any

from calexnet.bench.report.document import Report
from calexnet.bench.words import chosen, first
from calexnet.bench.words.glossary import LEAD
from calexnet.bench.words.notes import notes
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables.choice import deciding
from calexnet.bench.words.tables.table import Column, Table
from calexnet.bench.words.verdict import reasons, sentence

#: So many can be read at one sitting.
MOST_WORDS = 1500
_ELSEWHERE = "All tables stand in report.html, and as CSV in the folder tables beside it."

_RULES = {"figure": "---:", "word": "---", "prose": "---"}


def render(report: Report) -> str:
    """Return the report as Markdown, `MOST_WORDS` at most; it ends with a newline.

    What decides comes first, then the tables in their order as far as there is room: those left out
    stand in the page and as CSV.
    """
    head = [
        f"# {escape(tables.title(report))}",
        f"**{escape(first.word(report))}.** "
        f"{escape(sentence(report.decision, report.alternatives, report.validity))}",
        *_numbers(report),
        *([f"What next: {escape(words)}"] if (words := first.following(report)) else []),
        escape(LEAD),
        *_notes(notes(report)),
        *([] if report.validity.counts("verdict") else ["What it would have said:"]),
        _list((*reasons(report.decision, report.alternatives), *chosen.words(report))),
    ]
    found = tables.tables(report)
    left, shown = MOST_WORDS - _words(_ELSEWHERE) - sum(map(_words, head)), []
    for table in (deciding(report), *found):
        text = section(table)
        if table.records and _words(text) <= left:
            left -= _words(text)
            shown.append(text)
    return "\n\n".join([*(part for part in head if part), *shown, _ELSEWHERE]) + "\n"


def _numbers(report: Report) -> tuple[str, ...]:
    """Return the numbers that decide, where the verdict stands."""
    if not report.validity.counts("verdict"):
        return ()
    found = first.numbers(report)
    return (_list(tuple(f"{one.figure} {one.label}" for one in found)),) if found else ()


def _words(text: str) -> int:
    """Return how many words a reader meets: signs that draw a table or a list are none."""
    return sum(any(sign.isalnum() for sign in word) for word in text.split())


def escape(text: str) -> str:
    """Return `text` on one line, with every sign that Markdown or HTML would read disarmed."""
    return re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", " ".join(text.split()))


def _notes(said: tuple[str, ...]) -> tuple[str, ...]:
    return ("## Before you read on", _list(said)) if said else ()


def _list(items: tuple[str, ...]) -> str:
    return "\n".join(f"- {escape(item)}" for item in items)


def section(table: Table[Any]) -> str:
    """Return one table under its heading, its notes before it."""
    body = _table(table) if table.records else "Nothing was measured here."
    return "\n\n".join([f"## {escape(table.title)}", *(escape(note) for note in table.notes), body])


def _table(table: Table[Any]) -> str:
    columns: tuple[Column[Any], ...] = table.columns
    lines = [
        _line(tuple(column.title for column in columns)),
        "| " + " | ".join(_RULES[column.kind] for column in columns) + " |",
        *(_line(row) for row in table.rows),
    ]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(escape(cell) for cell in cells) + " |"
