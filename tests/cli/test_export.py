"""``calexnet-export``: a summary and exit code 0, or one clear message."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from calexnet import export
from calexnet.bundle import open_bundle
from calexnet.cli import export as cli
from calexnet.errors import InputError, ParityError
from calexnet.export import EngineSettings
from calexnet.export.targets import EngineTarget, target_of
from calexnet.manifest import Manifest
from tests.support.small_cascade import files_of


@pytest.fixture
def exported(small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Let exporting answer with a bundle that is there already; return what it was asked."""
    asked: list[tuple[object, ...]] = []

    def answer(run: Path, out: Path, *, target: str, input: str, **narrowing: object) -> Manifest:
        asked.append((run, out, target, input, *narrowing.values()))
        return open_bundle(small_bundle).manifest

    monkeypatch.setattr(cli, "export_run", answer)
    return asked


@pytest.mark.slow
@pytest.mark.usefixtures("translated")
def test_an_export_ends_with_its_summary(
    small_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"

    code = cli.main([str(small_run), "--target", "onnxruntime", "--out", str(out)])

    assert 0 == code
    content = open_bundle(out).manifest
    lines = capsys.readouterr().out.splitlines()
    assert "onnxruntime fp32" == lines[1]
    assert "segment     file size    stage MACs   branch MACs   share of plain" in lines
    rows = {line.split()[0]: line.split() for line in lines[3:7]}
    assert ["segment1", "segment2", "segment3", "plain"] == list(rows)
    macs = content.macs
    assert f"{macs.stages[0]:,}" == rows["segment1"][3]
    assert f"{macs.branches[0]:,}" == rows["segment1"][4]
    share = (macs.stages[0] + macs.branches[0]) / macs.plain
    assert f"{share:.1%}" == rows["segment1"][5]
    assert f"{macs.plain:,}" == rows["plain"][3]
    size = content.compiled[0].segments[0].file.size
    assert f"{size / 1e3:.1f}" == rows["segment1"][1]
    assert any("Answers of the cascade: 0 of 64 differ from PyTorch's" in line for line in lines)
    assert f"Bundle: {out}" == lines[-1]


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ([], ("onnxruntime", "uint8", "fp32", None, None, None, None)),
        (["--input", "float"], ("onnxruntime", "float", "fp32", None, None, None, None)),
        (
            ["--precision", "int8", "--calib-data", "cifar10", "--data-root", "sets"],
            ("onnxruntime", "uint8", "int8", "cifar10", None, Path("sets"), None),
        ),
        (
            ["--target", "tensorrt", "--batch", "8,1", "--timing-cache", "file"],
            (
                *("tensorrt", "uint8", "fp32", None, None, None),
                EngineSettings((1, 8), None, Path("file")),
            ),
        ),
        (
            ["--target", "tensorrt-rtx", "--workspace-mib", "64"],
            ("tensorrt-rtx", "uint8", "fp32", None, None, None, EngineSettings(workspace_mib=64)),
        ),
    ],
)
def test_arguments_are_passed_on(
    exported: list[tuple[object, ...]],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    asked: tuple[object, ...],
) -> None:
    monkeypatch.setattr(cli, "_summary", lambda *_: "")  # the answer is of one target alone

    code = cli.main(["run", "--out", "bundle", *arguments])

    assert 0 == code
    target, form, *rest = asked
    assert [(Path("run"), Path("bundle"), target, form, None, *rest, (), "calexnet")] == exported


def test_several_targets_and_precisions_are_written_one_after_the_other(
    exported: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Full precision has no use for calibration images, which a narrow one needs."""
    monkeypatch.setattr(cli, "_summary", lambda *_: "")
    words = ["--target", "onnxruntime,tflite", "--precision", "fp32,int8", "--calib-data", "digits"]

    assert 0 == cli.main(["run", "--out", "bundle", *words])
    assert [
        ("onnxruntime", "fp32", None),
        ("tflite", "fp32", None),
        ("onnxruntime", "int8", "digits"),
        ("tflite", "int8", "digits"),
    ] == [(asked[2], asked[5], asked[6]) for asked in exported]


def test_nothing_is_written_where_one_of_several_cannot_be(
    exported: list[tuple[object, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--target", "onnxruntime,tflite", "--precision", "fp32,int8-symmetric"]

    assert 2 == cli.main(["run", "--out", "bundle", *words])
    assert "target tflite does not come at this precision" in capsys.readouterr().err
    assert [] == exported


@pytest.mark.parametrize(("name", "shown"), [("digits", "digits"), ("tints", "DATA")])
def test_an_export_that_was_not_verified_says_why_and_how_to(
    small_bundle: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    shown: str,
) -> None:
    """A set that has no name of its own is for the user to name."""
    from dataclasses import replace

    content = open_bundle(small_bundle).manifest
    build = replace(content.compiled[0], parity=None, parity_reason="no samples")
    unverified = replace(content, compiled=(build,), split=replace(content.split, data=name))
    monkeypatch.setattr(cli, "export_run", lambda *_, **__: unverified)

    code = cli.main(["run", "--out", "bundle"])

    assert 0 == code
    assert (
        f"Not verified: no samples.\nWhere its runtime is: calexnet verify bundle --data {shown}\n"
    ) in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["RUN", "--target", "coreml"],
            "unknown target: got 'coreml'; expected one of onnxruntime",
        ),
        (
            ["RUN", "--converter", "litert-torch"],
            "--converter litert-torch cannot write this build: got onnxruntime fp32; expected "
            "litert-torch for tflite fp32, or calexnet",
        ),
        (
            ["RUN", "--target", "tflite", "--precision", "int8", "--converter", "litert-torch"],
            "--converter litert-torch cannot write this build: got tflite int8; expected ",
        ),
        (["none"], "none holds no trained cascade: got no folder; expected what calexnet train"),
    ],
)
def test_bad_input_is_told_and_leaves_nothing_behind(
    small_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = [str(small_run) if part == "RUN" else part for part in arguments]

    code = cli.main([*given, "--out", "bundle"])

    assert 2 == code
    error = capsys.readouterr().err
    assert f"calexnet-export: error: {message}" in error
    assert "Traceback" not in error
    assert {} == files_of(tmp_path)


def test_a_cascade_that_is_not_computed_faithfully_ends_with_code_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> Manifest:
        raise ParityError("the scores of segment1 differ from PyTorch's")

    monkeypatch.setattr(cli, "export_run", fail)

    code = cli.main(["run", "--out", "bundle"])

    assert 1 == code
    assert "the scores of segment1 differ" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "bundle"], "the following arguments are required: source"),
        (["run", "--out", "bundle", "--input", "int8"], "invalid choice: 'int8'"),
    ],
)
def test_wrong_usage_ends_with_code_two(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()

    with pytest.raises(SystemExit, match=r"^2$"):
        cli.main(arguments)

    assert message in capsys.readouterr().err


def test_a_run_without_a_folder_for_its_bundle_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == cli.main([str(tmp_path)])
    assert (
        "calexnet-export: error: a run needs a folder for its bundle: expected --out FOLDER"
    ) == capsys.readouterr().err.strip()


def test_a_bundle_that_is_not_there_is_told_as_that(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main([str(tmp_path / "bundle"), "--precision", "int8"])

    assert 2 == code
    assert f"error: no such run or bundle: got {tmp_path}" in capsys.readouterr().err


def test_the_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        cli.main(["--help"])

    text = capsys.readouterr().out
    assert all(target in text for target in export.TARGETS)
    assert "tensorrt-rtx" not in text


def test_a_check_of_graphs_is_no_target_to_be_told_of() -> None:
    with pytest.raises(
        InputError, match=r"expected one of onnxruntime, tflite, openvino, tensorrt$"
    ):
        target_of("coreml")
    assert isinstance(target_of("tensorrt-rtx"), EngineTarget)


def test_without_googles_converter_its_package_is_named_before_any_work(
    small_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "litert_torch", None)
    words = ["--target", "tflite", "--converter", "litert-torch", "--out", str(tmp_path / "bundle")]

    assert 4 == cli.main([str(small_run), *words])

    told = capsys.readouterr().err
    assert "calexnet-export: error: Google's converter cannot be used here: got import of " in told
    assert "Run: pip install 'calexnet[litert-torch]' (2.3 GB with torch)." in told
    assert [] == list(tmp_path.iterdir())
