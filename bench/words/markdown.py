"""The report as Markdown, with GitHub's tables."""

from __future__ import annotations

import re
from typing import Any

from calexnet.bench.report.document import Report
from calexnet.bench.words import chosen
from calexnet.bench.words.glossary import LEAD
from calexnet.bench.words.notes import notes
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables.table import Column, Table
from calexnet.bench.words.verdict import headline, reasons, sentence

_RULES = {"figure": "---:", "word": "---", "prose": "---"}


def render(report: Report) -> str:
    """Return the whole report as Markdown; it ends with a newline."""
    parts = [
        f"# {escape(tables.title(report))}",
        f"**{escape(sentence(report.decision, report.alternatives, report.validity))}**",
        escape(LEAD),
        *([] if report.validity.counts("verdict") else ["What it would have said:"]),
        _list((*reasons(report.decision, report.alternatives), *chosen.words(report))),
        *_notes(notes(report)),
        *(section(table) for table in tables.tables(report)),
        *_in_sentences(headline(report)),
    ]
    return "\n\n".join(parts) + "\n"


def escape(text: str) -> str:
    """Return `text` on one line, with every sign that Markdown or HTML would read disarmed."""
    return re.sub(r"([\\`*_\[\]<>|~#&$])", r"\\\1", " ".join(text.split()))


def _notes(said: tuple[str, ...]) -> tuple[str, ...]:
    return ("## Before you read on", _list(said)) if said else ()


def _in_sentences(sentences: tuple[str, ...]) -> tuple[str, ...]:
    return ("## The same in sentences", _list(sentences)) if sentences else ()


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
