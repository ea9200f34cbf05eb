"""A report's files: ``report.json``, ``report.md`` and ``report.html``; and its short form."""

from __future__ import annotations

import json
from pathlib import Path

from calexnet import schema
from calexnet.bench import html, markdown
from calexnet.bench.conclusions import subjects
from calexnet.bench.results import SCHEMA, AmortisationRow, CrossoverRow, Report
from calexnet.errors import InputError
from calexnet.schema import SchemaError

JSON, MARKDOWN, HTML = "report.json", "report.md", "report.html"


def write(report: Report, folder: Path) -> None:
    """Write the report's three files into `folder`, which exists."""
    document = schema.encode(report)
    (folder / JSON).write_text(
        json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", "utf-8"
    )
    (folder / MARKDOWN).write_text(markdown.render(report), "utf-8")
    (folder / HTML).write_text(html.render(report), "utf-8")


def read(path: Path) -> Report:
    """Return the report in a ``report.json``."""
    return schema.decode(Report, json.loads(path.read_bytes()))


def open_report(path: Path) -> Report:
    """Return the report in a file, or in a folder.

    Raises:
        InputError: There is none, it is damaged, or of another version.
    """
    file = path / JSON if path.is_dir() else path
    try:
        document = json.loads(file.read_bytes())
        if isinstance(document, dict) and document.get("schema", SCHEMA) != SCHEMA:
            raise SchemaError(f"schema {document['schema']}, and this version reads {SCHEMA}")
        return schema.decode(Report, document)
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(
            f"cannot read {file} as a bench report",
            got=problem,
            expected="what this version of calexnet-bench wrote",
        ) from problem


def summary(report: Report) -> str:
    """Return the report in a few lines for a terminal."""
    lines = []
    head = "threads  batch  plain ms  cascade ms  ratio  95 % interval  break-even  seen"
    for subject in subjects(report.amortisation):
        several = len(subjects(report.amortisation)) > 1
        lines += ["", *([" ".join(subject)] if several else []), head]
        lines += [
            _line(cost, crossing)
            for cost, crossing in zip(report.amortisation, report.crossover, strict=True)
            if (cost.target, cost.precision) == subject
        ]
    return "\n".join([*lines, "", *report.headline])


def _line(cost: AmortisationRow, crossing: CrossoverRow) -> str:
    rate = crossing.break_even_exit_rate
    return (
        f"{cost.threads:7}  {cost.batch:5}  {cost.plain_ms:8.4f}  {cost.cascade_ms:10.4f}  "
        f"{cost.ratio:5.2f}  {cost.ratio_low:5.2f} to {cost.ratio_high:4.2f}  "
        f"{'never' if rate is None else f'{rate:.1%}':>10}  {crossing.observed_exit_rate:.1%}"
        f"  {crossing.verdict}"
    )
