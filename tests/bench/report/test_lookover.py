"""A report that contradicts itself is refused where it is read, in one message with the place."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calexnet import cli
from calexnet.bench import reporting
from calexnet.bench.report.document import Report
from calexnet.bench.report.lookover import look_over
from calexnet.files import schema
from tests.support.sample_report import sample_report

Document = dict[str, Any]

#: What is done to a sound report -> what is said of it.
CONTRADICTIONS: dict[str, tuple[Callable[[Document], object], str]] = {
    "a network that is not there": (
        lambda r: r["decision"].update(against="plain on mars"),
        "decision.against is 'plain on mars', and no alternative is called so",
    ),
    "a verdict without times": (
        lambda r: r["amortisation"].pop(0),
        "crossover[0] is about 'onnxruntime' 'fp32' 1 1, and no row of amortisation is",
    ),
    "the same cell twice": (
        lambda r: r["samples"].append(r["samples"][0]),
        "is about 'onnxruntime' 'fp32' 1 1 'plain', as an earlier row is",
    ),
    "lists of unlike lengths": (
        lambda r: r["operating_points"][1]["exit_rates"].pop(),
        "operating_points[1].exit_rates has 2 entries, the cascade 3",
    ),
    "work of a stage too few": (
        lambda r: r["flops"]["macs"]["gates"].pop(),
        "flops.macs.gates has 1 entries, the cascade 2",
    ),
    "an exit too few": (
        lambda r: r["exits"].pop(),
        "exits of 'onnxruntime' 'fp32' are [1, 2], not 1 to 3",
    ),
    "an exit that is none": (
        lambda r: r["exits"][2].update(exit=7),
        "exits of 'onnxruntime' 'fp32' are [1, 2, 7], not 1 to 3",
    ),
    "no call timed": (
        lambda r: r["exits"][0].update(quantiles_ms=[]),
        "exits[0].quantiles_ms has 0 entries, not 2 or more",
    ),
    "a hole in what is foretold": (
        lambda r: r["foretold"].pop(0),
        "foretold of 'onnxruntime' 'fp32' 1 1 are of early ",
    ),
    "a segment missing": (
        lambda r: r["segments"].pop(0),
        "segments of 'onnxruntime' 'fp32' 1 1 are of segment ",
    ),
    "one file without an exit": (
        lambda r: r["layouts"].pop(1),
        "layouts of 'onnxruntime' 'fp32' 1 are of exits ",
    ),
    "gathering before the first": (
        lambda r: r["gathers"][0].update(segment=1),
        "gathers[0].segment is 1",
    ),
    "no block": (
        lambda r: r["samples"][0].update(ms=[]),
        "samples[0].ms has 0 entries, not 2 or more",
    ),
    "no pace": (lambda r: r["validity"].update(swing={}), "validity.swing is empty"),
    "a call of no images": (
        lambda r: r["amortisation"][0].update(batch=0),
        "amortisation[0].batch is 0, not from 1 to 65536",
    ),
    "no time": (
        lambda r: r["amortisation"][0].update(cascade_ms=0),
        "amortisation[0].cascade_ms is 0, not from 1e-12 to 1e+15",
    ),
    "a time without an end": (
        lambda r: r["provenance"].update(seconds=1e300),
        "provenance.seconds is 1e+300, not from -1e+15 to 1e+15",
    ),
    "more images than all": (
        lambda r: r["exits"][0].update(rate=1.5),
        "exits[0].rate is 1.5, not from 0 to 1",
    ),
    "not a number": (
        lambda r: r["accuracy"].update(change=float("nan")),
        "NaN, which is no number",
    ),
}


@pytest.fixture
def document() -> Document:
    """A sound report as JSON."""
    found: Document = json.loads(json.dumps(schema.encode(sample_report())))
    return found


def test_the_report_itself_is_sound(report: Report) -> None:
    look_over(sample_report())
    look_over(report)


@pytest.mark.parametrize("what", CONTRADICTIONS)
def test_a_contradiction_is_one_message_and_exit_code_2(
    document: Document, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    change, said = CONTRADICTIONS[what]
    change(document)
    path = tmp_path / reporting.JSON
    path.write_text(json.dumps(document))

    assert 2 == cli.main(["report", str(path), "--html", str(tmp_path / "page.html")])
    assert 2 == cli.main(["compare", str(path), str(path)])

    lines = capsys.readouterr().err.splitlines()
    assert 2 == len(lines)
    for line in lines:
        assert f"error: cannot read {path} as a bench report: got " in line
        assert said in line
    assert [path] == [*tmp_path.iterdir()]


def test_a_report_without_energy_or_layouts_is_whole(document: Document, tmp_path: Path) -> None:
    """What was not measured contradicts nothing."""
    for table in ("energy", "exit_energy", "energy_crossover", "layouts", "foretold", "segments"):
        document[table] = []
    path = tmp_path / reporting.JSON
    path.write_text(json.dumps(document))

    assert 0 == cli.main(["report", str(path), "--html", str(tmp_path / "page.html")])
