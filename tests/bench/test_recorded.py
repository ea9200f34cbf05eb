"""One run that was recorded: the same raw samples come to the same figures, whatever is rebuilt.

``recorded_journal.json`` holds the blocks of a run, as its journal kept them, and
``recorded_figures.json`` what they came to when they were recorded, table by table.
"""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path

import pytest

from calexnet.bench import reporting
from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.timing import Call, Stopwatch
from calexnet.bench.report import csv as tables
from calexnet.bench.report.document import Report
from calexnet.devices.cpu import CpuDevice
from calexnet.export import export_if
from tests.bench.conftest import PLAN as SMALL
from tests.support.onnx_bundle import sample_data, write_bundle

HERE = Path(__file__).parent
JOURNAL, FIGURES = HERE / "recorded_journal.json", HERE / "recorded_figures.json"
#: No run is cut to fewer blocks, however late it is.
PLAN = replace(SMALL, batches=(1, 4), blocks=10, seconds=0.2, energy=EnergyPlan(0), max_drop=0.5)
#: What hangs on raw samples and answers alone.
TABLES = (
    "alternatives", "amortisation", "crossover", "exits", "flips", "foretold", "gathers",
    "latency", "layouts", "operating_points", "samples", "segments", "worst",
)  # fmt: skip


class Stopped(Stopwatch):
    """A stopwatch that stops the run where anything is timed."""

    name = "wall"

    def seconds(self, call: Call) -> float:
        """Stop."""
        raise KeyboardInterrupt


def bundle_at(folder: Path) -> None:
    """Write the bundle that was measured: two branches, and the same as one graph."""
    write_bundle(folder)
    export_if(folder)


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """The report on the recorded blocks."""
    folder = tmp_path_factory.mktemp("recorded")
    bundle_at(folder / "bundle")
    journal = folder / "journal"
    run = partial(measure, folder / "bundle", sample_data(), CpuDevice(), PLAN, journal=journal)
    with pytest.raises(KeyboardInterrupt):
        run(stopwatch=Stopped())
    lines = [json.dumps(line) for line in json.loads(JOURNAL.read_text("utf-8"))]
    journal.write_text("\n".join([journal.read_text("utf-8").strip(), *lines, ""]), "utf-8")
    return run(stopwatch=Stopped())


def figures(report: Report) -> dict[str, list[list[str]]]:
    """Return the cells of every table, its heading first."""
    kinds = dict(reporting.record_tables())
    return {
        name: [*csv.reader(StringIO(tables.render(kinds[name], getattr(report, name))))]
        for name in TABLES
    }


@pytest.mark.parametrize("name", TABLES)
def test_the_same_samples_come_to_the_same_figures(again: Report, name: str) -> None:
    wanted = json.loads(FIGURES.read_text("utf-8"))[name]
    found = figures(again)[name]

    assert wanted[0] == found[0]
    assert len(wanted) == len(found)
    for one, other in zip(wanted[1:], found[1:], strict=True):
        assert [number(cell) for cell in one] == [number(cell) for cell in other]


def test_the_same_samples_decide_the_same(again: Report) -> None:
    wanted = json.loads(FIGURES.read_text("utf-8"))["decision"]
    found = again.decision

    assert wanted["choice"] == found.choice
    assert wanted["name"] == found.name
    assert found.ratio is not None
    assert pytest.approx(wanted["ratio"]) == [found.ratio.value, found.ratio.low, found.ratio.high]


def number(cell: str) -> object:
    """Return a cell as what it is compared by: numbers but for a last bit that rounds."""
    try:
        return pytest.approx(float(cell), rel=2e-5, abs=1e-12)
    except ValueError:
        return [number(part) for part in cell.split(" ")] if " " in cell else cell
