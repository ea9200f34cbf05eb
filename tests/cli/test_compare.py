"""``calexnet compare``: what is printed, what is written, and the exit codes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from calexnet import cli
from calexnet.bench import reporting
from calexnet.bench.model.compare import Compared
from calexnet.bench.report.document import Report
from calexnet.files import schema
from tests.bench.model.test_compare import run
from tests.support.sample_report import VALIDITY


def written(folder: Path, report: Report) -> str:
    folder.mkdir()
    (folder / reporting.JSON).write_text(json.dumps(schema.encode(report)), "utf-8")
    return str(folder)


@pytest.fixture
def old(tmp_path: Path) -> str:
    return written(tmp_path / "old", run(1, blocks=200))


@pytest.fixture
def new(tmp_path: Path) -> str:
    return written(tmp_path / "new", run(2, 1.5, blocks=200))


def test_every_row_has_a_line_and_a_verdict(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["compare", old, new])

    assert 0 == code
    a, b, _, head, *rows, _, counted = capsys.readouterr().out.splitlines()
    assert a.startswith("A: resnet18, margin-0.02, bundle abababababab, on ARM Cortex-A76, 2026-")
    assert b.startswith("B: resnet18")
    assert "A B B / A, 95 % interval" == " ".join(head.split())
    assert [
        "onnxruntime fp32 plain, batch 1, 1 thread",
        "onnxruntime fp32 plain, batch 8, 1 thread",
        "onnxruntime fp32 cascade, batch 1, 1 thread",
        "onnxruntime fp32 cascade, batch 8, 1 thread",
    ] == [row.split("   ")[0] for row in rows]
    assert all(row.endswith("SLOWER") and " ms " in row for row in rows)
    assert "4 SLOWER. A change within 5 % either way counts as the same." == counted


def test_a_failed_gate_is_exit_code_1_and_every_gate_has_a_line(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = ["--fail-if", "slower>0", "--fail-if", "top1_drop>0.5", "--fail-if", "ratio>1.2"]

    assert 1 == cli.main(["compare", old, new, *gates])
    *_, one, two, three = capsys.readouterr().out.splitlines()
    assert ["FAILED  slower>0: slower is 4", "passed  top1_drop>0.5: top1_drop is 0"] == [one, two]
    assert three.startswith("FAILED  ratio>1.2: ratio is 1.")
    assert 0 == cli.main(["compare", old, old, "--fail-if", "slower>0"])


def test_the_change_that_matters_can_be_set(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["compare", old, new, "--within", "80", "--fail-if", "slower>0"])
    assert "4 SAME. A change within 80 % either way" in capsys.readouterr().out


def test_what_was_let_through_and_what_only_one_measured_is_said(
    tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = run(2)
    other = replace(
        other,
        validity=replace(VALIDITY, allowed=True),
        samples=tuple(row for row in other.samples if row.batch == 1),
        provenance=replace(other.provenance, versions={"numpy": "2.4.0"}),
    )

    code = cli.main(["compare", old, written(tmp_path / "b", other), "--across", "invalid"])

    assert 0 == code
    lines = capsys.readouterr().out.splitlines()
    assert [
        "Compared across invalid: valid against invalid (foreign process, throttling)",
        "numpy: 2.3.5 against 2.4.0",
        "onnxruntime: 1.23.2 against not used",
    ] == lines[2:5]
    assert (
        "Only A measured: onnxruntime fp32 plain, batch 8, 1 thread; onnxruntime fp32 cascade, "
        "batch 8, 1 thread"
    ) in lines


def test_single_exits_are_compared_on_demand(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["compare", old, new, "--all"])

    shown = capsys.readouterr().out
    assert "onnxruntime fp32 exit1, batch 8, 1 thread" in shown
    assert "8 SLOWER." in shown


def test_times_can_be_set_beside_plain(
    old: str, new: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == cli.main(["compare", old, new, "--relative"])

    shown = capsys.readouterr().out
    assert "0.6" in shown
    assert " x plain" in shown
    assert "2 SAME." in shown


def test_the_comparison_is_written_as_json(tmp_path: Path, old: str, new: str) -> None:
    file = tmp_path / "compared.json"

    assert 0 == cli.main(["compare", old, new, "--json", str(file)])

    compared = schema.decode(Compared, json.loads(file.read_text("utf-8")))
    assert ["SLOWER"] * 4 == [row.change for row in compared.rows]


def test_the_exit_code_says_what_is_wrong(
    tmp_path: Path, old: str, capsys: pytest.CaptureFixture[str]
) -> None:
    invalid = written(tmp_path / "c", replace(run(2), validity=VALIDITY))
    other = run(2)
    moved = replace(other, device=replace(other.device, cores=8))

    assert 3 == cli.main(["compare", old, invalid])
    assert 2 == cli.main(["compare", old, written(tmp_path / "d", moved)])
    assert 2 == cli.main(["compare", old, str(tmp_path / "nothing")])
    assert 2 == cli.main(["compare", old, old, "--fail-if", "speed>1"])
    said = capsys.readouterr().err
    assert "calexnet compare: error: these reports do not compare: got invalid: valid agai" in said
    assert "calexnet compare: error: cannot read " in said
    assert "calexnet compare: error: unknown metric: got 'speed'; expected one of ratio, " in said
