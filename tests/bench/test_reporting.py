"""A report's files: JSON that reads back as it was, and the summary for a terminal."""

# The expected value comes first in every comparison.
from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench import html, markdown, reporting
from calexnet.bench.results import SCHEMA, Report
from calexnet.errors import InputError
from tests.bench.sample_report import sample_report


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is not JSON")


@pytest.mark.parametrize("kind", ["measured", "by hand"])
def test_what_is_written_reads_back_as_it_was(report: Report, tmp_path: Path, kind: str) -> None:
    """Hostile names, None and floats to the last bit included; and no NaN."""
    wanted = report if kind == "measured" else sample_report()

    reporting.write(wanted, tmp_path)

    assert wanted == reporting.read(tmp_path / reporting.JSON)
    text = (tmp_path / reporting.JSON).read_text("utf-8")
    assert SCHEMA == json.loads(text, parse_constant=refuse)["schema"]
    assert markdown.render(wanted) == (tmp_path / reporting.MARKDOWN).read_text("utf-8")
    assert html.render(wanted) == (tmp_path / reporting.HTML).read_text("utf-8")
    assert ["report.html", "report.json", "report.md"] == sorted(p.name for p in tmp_path.iterdir())


def test_a_report_is_opened_by_its_folder_or_its_file(tmp_path: Path) -> None:
    reporting.write(sample_report(), tmp_path)

    assert sample_report() == reporting.open_report(tmp_path)
    assert sample_report() == reporting.open_report(tmp_path / reporting.JSON)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "schema is missing"),
        ('{"schema": 1}', f"schema 1, and this version reads {SCHEMA}"),
        ("[]", r"the document: expected an object, got \[\]"),
        ("{", "Expecting property name"),
        (None, r"\[Errno 2\] No such file or directory: "),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | None, problem: str) -> None:
    if text is not None:
        (tmp_path / reporting.JSON).write_text(text)

    expected = (
        rf"^cannot read .*report\.json as a bench report: got {problem}.*; expected what this "
    )
    with pytest.raises(InputError, match=expected):
        reporting.open_report(tmp_path / reporting.JSON)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_hold_is_not_written(tmp_path: Path, value: float) -> None:
    report = sample_report()
    spoilt = dataclasses.replace(
        report, accuracy=dataclasses.replace(report.accuracy, change=value)
    )

    with pytest.raises(ValueError, match="not JSON compliant"):
        reporting.write(spoilt, tmp_path)


def test_a_summary_has_a_line_for_every_setting_and_the_headline() -> None:
    report = sample_report()

    head, *rows = reporting.summary(report).strip().splitlines()

    assert "threads batch plain ms cascade ms ratio 95 % interval break-even seen" == " ".join(
        head.split()
    )
    lines = [" ".join(row.split()) for row in rows]
    assert [
        "1 1 20.0000 12.0000 0.60 0.58 to 0.62 25.0% 62.5% cascade",
        "1 2 18.0000 13.5000 0.75 0.72 to 0.78 50.0% 62.5% cascade",
        "1 4 16.0000 15.8400 0.99 0.96 to 1.02 60.0% 62.5% unclear",
        "1 8 15.0000 18.0000 1.20 1.15 to 1.25 never 62.5% plain",
        "4 1 8.0000 6.0000 0.75 0.70 to 0.80 0.0% 62.5% cascade",
        "",
        *report.headline,
    ] == lines


def test_a_summary_of_several_targets_names_each() -> None:
    report = sample_report()
    costs = (dataclasses.replace(row, target="tflite") for row in report.amortisation)
    crossings = (dataclasses.replace(row, target="tflite") for row in report.crossover)
    both = dataclasses.replace(
        report,
        amortisation=(*report.amortisation, *costs),
        crossover=(*report.crossover, *crossings),
    )

    lines = reporting.summary(both).splitlines()

    heads = [number for number, line in enumerate(lines) if line.startswith("threads")]
    assert ["onnxruntime fp32", "tflite fp32"] == [lines[number - 1] for number in heads]
    assert lines[heads[0] + 1] == lines[heads[1] + 1]
