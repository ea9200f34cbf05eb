"""Tables and figures from a bench report."""

from __future__ import annotations

import argparse
import csv
import json
from io import StringIO
from pathlib import Path

import pytest

from calexnet.analysis import artefact, latency
from calexnet.files import schema
from tests.support.sample_report import AMORTISATION, CROSSOVER, sample_report


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report's folder."""
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(schema.encode(sample_report())))
    return folder


@pytest.mark.parametrize("name", ["", "report.json"])
def test_both_tables_come_from_the_report(report: Path, name: str, tmp_path: Path) -> None:
    found = latency.analyse(argparse.Namespace(results=report / name))

    paths = artefact.write(found, tmp_path / "out")

    names = {path.name for path in paths}
    assert {"latency.md", "latency-amortisation.csv", "latency-crossover.csv"} <= names
    assert {"latency.svg", "latency.png", "latency-2.svg", "latency-2.png"} <= names
    text = (tmp_path / "out" / "latency-crossover.csv").read_text()
    rows = list(csv.DictReader(StringIO(text)))
    assert [str(row.batch) for row in CROSSOVER] == [row["batch"] for row in rows]
    assert "" == rows[3]["break_even_exit_rate"]  # no rate is enough
    text = (tmp_path / "out" / "latency-amortisation.csv").read_text()
    rows = list(csv.DictReader(StringIO(text)))
    assert [row.ratio for row in AMORTISATION] == [float(row["ratio"]) for row in rows]
