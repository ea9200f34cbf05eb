"""Target `openvino`: whose files it shares, what goes with them, and what is told of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.cli.export import main
from calexnet.export import export_bundle
from calexnet.manifest import Compiled, with_build

pytest.importorskip("openvino", reason="needs pip install 'calexnet[openvino]'")

from calexnet.runtimes.openvino.library import capabilities


@pytest.fixture(scope="module")
def exported(small_bundle: Path, small_npz: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`small_bundle` with int8 for ONNX Runtime and all that there is for OpenVINO."""
    folder = tmp_path_factory.mktemp("openvino") / "tints"
    data = {"calib_data": str(small_npz), "calib_samples": 32}
    export_bundle(small_bundle, folder, target="onnxruntime", precision="int8", **data)  # type: ignore[arg-type]
    for precision in ("fp32", "int8", *(["bf16"] if "BF16" in capabilities() else [])):
        export_bundle(folder, target="openvino", precision=precision, **data)  # type: ignore[arg-type]
    return folder


def paths(build: Compiled) -> list[str]:
    return [file.path for file in build.files]


def test_it_shares_the_files_of_onnx_runtime(exported: Path) -> None:
    held = {(one.target, one.precision): one for one in open_bundle(exported).manifest.compiled}

    for (target, precision), build in held.items():
        source = "int8" if precision == "int8" else "fp32"
        assert paths(held["onnxruntime", source]) == paths(build), (target, precision)
    assert not (exported / "openvino").exists()


def test_full_precision_decides_as_the_portable_graphs_do(exported: Path) -> None:
    parity = open_bundle(exported).compiled("openvino", "fp32").parity

    assert parity is not None
    assert parity.is_rounding


@pytest.mark.skipif("BF16" not in capabilities(), reason="needs a processor with bfloat16")
def test_bf16_has_thresholds_and_a_parity_of_its_own(exported: Path) -> None:
    build = open_bundle(exported).compiled("openvino", "bf16")

    assert build.operating_points is not None
    assert build.parity is not None
    assert build.parity.score_difference > 1e-5
    assert build.calibration is not None
    assert 0 == build.calibration.ranged < build.calibration.samples
    runner = calexnet.load(exported, "openvino", "bf16", threads=1)
    assert build.operating_points[0].table().shape == runner.thresholds.shape


def test_a_bundle_without_it_has_it_all_the_same_but_for_bf16(small_bundle: Path) -> None:
    content = open_bundle(small_bundle).manifest

    (mine,) = [build for build in content.builds if build.target == "openvino"]

    assert paths(content.compiled[0]) == paths(mine)
    assert ("fp32", None) == (mine.precision, mine.parity)
    assert "it runs the files of onnxruntime as they are, and was not compared" == (
        mine.parity_reason
    )
    assert "openvino fp32" == calexnet.load(small_bundle, "openvino", threads=1).compiled.name
    assert content.compiled[0].name == calexnet.load(small_bundle, threads=1).compiled.name


def test_what_runs_other_files_now_goes(exported: Path) -> None:
    content = open_bundle(exported).manifest
    build = content.compiled[0]
    file = replace(build.plain.file, sha256="0" * 64)
    renewed = replace(build, plain=replace(build.plain, file=file))

    left = {one.name for one in with_build(content, renewed).compiled}

    assert {"onnxruntime fp32", "onnxruntime int8", "openvino int8"} == left


def test_the_share_in_whole_numbers_is_printed(
    exported: Path, small_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [str(exported), "--target", "openvino", "--precision", "int8", "--out"]
    assert 0 == main([*words, str(tmp_path / "out"), "--calib-data", str(small_npz)])

    text = capsys.readouterr().out

    # The heads' convolutions are float by design.
    assert (
        "OpenVINO executes 7 of 7 convolutions of plain in 8-bit whole numbers on this processor"
        in text
    )
