"""A report's files: JSON that reads back as it was, and the summary for a terminal."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench import reporting
from calexnet.bench.page import html
from calexnet.bench.report.document import SCHEMA, Report
from calexnet.bench.words import markdown
from calexnet.bench.words.notes import notes
from calexnet.bench.words.remedies import remedy
from calexnet.bench.words.verdict import reasons, sentence
from calexnet.errors import InputError
from tests.support.sample_report import sample_report


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
    assert ["report.html", "report.json", "report.md", "tables"] == sorted(
        path.name for path in tmp_path.iterdir()
    )


def test_every_table_of_the_report_is_a_csv_file(tmp_path: Path) -> None:
    report = sample_report()

    reporting.write(report, tmp_path)

    document = json.loads((tmp_path / reporting.JSON).read_text("utf-8"))
    folder = tmp_path / reporting.TABLES
    found = {path.stem: [*csv.DictReader(path.open("r", newline=""))] for path in folder.iterdir()}
    tables = {name for name, value in document.items() if isinstance(value, list)}
    assert tables == set(found)
    assert {name: len(document[name]) for name in tables} == {n: len(r) for n, r in found.items()}
    assert "12" == found["amortisation"][0]["cascade_ms"]
    assert "0.4 0.225 0.375" == found["operating_points"][1]["exit_rates"]
    assert ("23", "22.6", "") == tuple(
        found["latency"][1][name] for name in ("p95_ms", "p95_ms_low", "p99_ms_high")
    )
    assert sample_report().alternatives[3].name == found["alternatives"][3]["name"]


def test_a_report_is_opened_by_its_folder_or_its_file(tmp_path: Path) -> None:
    reporting.write(sample_report(), tmp_path)

    assert sample_report() == reporting.open_report(tmp_path)
    assert sample_report() == reporting.open_report(tmp_path / reporting.JSON)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{}", "schema is missing"),
        ('{"schema": 1}', f"schema 1, and this version reads 3 to {SCHEMA}"),
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


def test_a_summary_is_a_screen_with_the_verdict_last() -> None:
    report = sample_report()

    lines = reporting.summary(report).splitlines()

    assert [
        "images a call       1        2        4        8",
        "1 thread        0.600    0.750    0.990?    1.20",
        "4 threads       0.750      n/a      n/a      n/a",
    ] == lines[2:5]
    assert (
        "Times in ms, percentiles and joules do not stand; the verdict and ratios of times do."
        == lines[7]
    )
    assert ["- " + note for note in notes(report)] == lines[6:7]
    assert lines[9].endswith("it got too hot. " + remedy("throttling"))
    said = reasons(report.decision, report.alternatives)
    assert [f"- {reason}" for reason in said] == lines[-5:-2]
    assert sentence(report.decision, report.alternatives, report.validity) == lines[-1]


def test_a_summary_of_five_targets_still_fits_a_screen() -> None:
    report = sample_report()
    targets = [
        dataclasses.replace(row, target=f"target{number}")
        for number in range(5)
        for row in report.amortisation
    ]

    lines = reporting.summary(dataclasses.replace(report, amortisation=tuple(targets))).splitlines()

    assert len(lines) <= 24
    assert "target3 fp32, 4 threads" in "\n".join(lines)


def test_a_summary_of_a_valid_run_speaks_of_no_rule() -> None:
    valid = dataclasses.replace(sample_report().validity, breaches=())

    assert "rule" not in reporting.summary(sample_report(validity=valid))
