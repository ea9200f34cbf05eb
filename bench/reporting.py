"""A report's files, and its short form for a terminal."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calexnet.bench.page import html
from calexnet.bench.report import csv
from calexnet.bench.report.document import Report
from calexnet.bench.report.lookover import look_over
from calexnet.bench.report.migration import migrated
from calexnet.bench.words import chosen, markdown, notes, overview
from calexnet.bench.words.remedies import broken, standing
from calexnet.bench.words.verdict import reasons, sentence
from calexnet.errors import InputError
from calexnet.files import jsontext, schema
from calexnet.files.storage import is_folder

JSON, MARKDOWN, HTML, TABLES = "report.json", "report.md", "report.html", "tables"


def write(report: Report, folder: Path) -> None:
    """Write the report's files into `folder`, which exists: JSON, Markdown, HTML, CSV tables."""
    document = schema.encode(report)
    (folder / JSON).write_text(
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
    )
    (folder / MARKDOWN).write_text(markdown.render(report), "utf-8")
    (folder / HTML).write_text(html.render(report), "utf-8")
    (folder / TABLES).mkdir()
    write_tables(report, folder / TABLES)


def write_tables(report: Report, folder: Path) -> None:
    """Write a CSV file for every table of the report into `folder`, which exists."""
    for name, kind in record_tables():
        text = csv.render(kind, getattr(report, name))
        (folder / f"{name}.csv").write_text(text, "utf-8", newline="")


def read(path: Path) -> Report:
    """Return the report in a ``report.json``, also of an older version.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged, contradicts itself, or is of a version that cannot be read.
    """
    report = schema.decode(Report, migrated(jsontext.read(path)))
    look_over(report)
    return report


def open_report(path: Path) -> Report:
    """Return the report in a file, or in a folder; one of an older version is migrated.

    Raises:
        InputError: There is none, it is damaged, or of a version that cannot be read.
    """
    file = path / JSON if is_folder(path) else path
    try:
        return read(file)
    except (OSError, ValueError) as problem:
        raise InputError(
            f"cannot read {file} as a bench report",
            got=problem,
            expected="what this version of calexnet-bench wrote",
        ) from problem


def record_tables() -> Iterator[tuple[str, type[Any]]]:
    """Yield the report's tables: each field that holds records, and the dataclass of these."""
    hints = typing.get_type_hints(Report)
    for field in dataclasses.fields(Report):
        inner = typing.get_args(hints[field.name])
        if typing.get_origin(hints[field.name]) is tuple and dataclasses.is_dataclass(inner[0]):
            yield field.name, typing.cast("type[Any]", inner[0])


def summary(report: Report) -> str:
    """Return the report in a screen of a terminal, what it comes to last."""
    found = report.validity
    rules = [f"- {one.rule}: {one.words} {one.remedy}" for one in broken(found.breaches)]
    return "\n".join(
        (
            "",
            f"Time of the cascade at {report.bundle.operating_point} over time of plain: under 1 "
            "the cascade is faster, ? = unclear",
            overview.text(report),
            "",
            *(f"- {note}" for note in notes.notes(report)),
            *([standing(found), *rules, ""] if rules else []),
            *([] if found.counts("verdict") else ["Otherwise it would say:"]),
            *(f"- {reason}" for reason in reasons(report.decision, report.alternatives)),
            *(f"- {words}" for words in chosen.words(report)),
            sentence(report.decision, report.alternatives, found),
        )
    )
