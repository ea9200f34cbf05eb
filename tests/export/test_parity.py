"""A bundle's new target against the float32 graphs, where real images are given."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from calexnet.bundle import open_bundle
from calexnet.cli import export as cli
from calexnet.errors import InputError
from calexnet.export import export_bundle, export_run, tflite
from calexnet.export.from_bundle import UNVERIFIED
from tests.support.small_cascade import files_of


def test_a_new_target_is_compared_on_the_calibration_part(
    small_bundle: Path, small_npz: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"

    export_bundle(small_bundle, out, target="tflite", calib_data=str(small_npz))

    content = open_bundle(out).manifest
    build = open_bundle(out).compiled("tflite", "fp32")
    found = build.parity
    assert found is not None
    assert ("onnxruntime fp32", content.split.parts["calibration"].samples) == (
        found.reference,
        found.samples,
    )
    assert found.is_rounding
    assert 0 < found.score_difference < 1e-4
    assert found.accuracy == found.reference_accuracy
    # It follows the manifest's thresholds: nothing was calibrated on these samples.
    assert (None, None, None) == (build.parity_reason, build.operating_points, build.calibration)


def test_the_command_says_what_was_found(
    small_bundle: Path, small_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--target", "tflite", "--calib-data", str(small_npz), "--out", str(tmp_path / "one")]

    assert 0 == cli.main([str(small_bundle), *words])

    text = capsys.readouterr().out
    assert "differ from onnxruntime fp32's; right on " in text
    assert "Answers of the cascade: 0 of " in text
    assert "Ranges from" not in text


def test_a_target_that_decides_otherwise_is_not_added(
    small_bundle: Path,
    small_npz: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Its weights are another network's: the files load and run, and answer wrongly."""
    genuine = tflite.convert

    def altered(data: bytes) -> bytes:
        file = bytearray(genuine(data))
        middle = len(file) // 2 // 4 * 4
        weights = np.frombuffer(file, np.float32, 16, middle)
        file[middle : middle + 64] = (weights + np.float32(0.5)).tobytes()
        return bytes(file)

    monkeypatch.setattr(tflite, "convert", altered)

    words = ["--target", "tflite", "--calib-data", str(small_npz), "--out", str(tmp_path / "one")]
    code = cli.main([str(small_bundle), *words])

    assert 1 == code
    assert (
        "calexnet-export: error: tflite fp32 decides otherwise than the portable graphs that it is "
        "made of: got "
    ) in capsys.readouterr().err
    assert [] == list(tmp_path.iterdir())


def test_without_its_runtime_it_is_added_unverified(
    small_bundle: Path, small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)

    export_bundle(small_bundle, tmp_path / "one", target="tflite", calib_data=str(small_npz))

    build = open_bundle(tmp_path / "one").compiled("tflite", "fp32")
    assert build.parity is None
    assert build.parity_reason is not None
    assert build.parity_reason.startswith(
        "its runtime is missing here. LiteRT cannot be used here: got "
    )
    assert build.parity_reason.endswith(". Run: pip install 'calexnet[tflite]'")


def test_parity_is_kept_while_the_files_are_the_same(
    small_bundle: Path, small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "bundle"
    export_bundle(small_bundle, out, target="tflite", calib_data=str(small_npz))
    before = files_of(out)

    export_bundle(out, target="tflite")

    assert before == files_of(out)
    genuine = tflite.convert
    monkeypatch.setattr(tflite, "convert", lambda data: genuine(data) + bytes(16))

    export_bundle(out, target="tflite")

    build = open_bundle(out).compiled("tflite", "fp32")
    assert (None, UNVERIFIED) == (build.parity, build.parity_reason)


def test_calibration_data_are_not_for_a_run_at_full_precision(
    small_run: Path, small_npz: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        InputError,
        match=r"^--calib-data is not for a run at fp32: expected a narrow --precision, or a bundle",
    ):
        export_run(small_run, tmp_path / "bundle", calib_data=str(small_npz))

    assert [] == list(tmp_path.iterdir())


def test_named_data_are_looked_for_in_the_root(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(small_bundle)
    root = tmp_path / "nothing here"

    words = ["--precision", "int8", "--calib-data", "cifar10", "--data-root", str(root)]
    code = cli.main([str(small_bundle), *words])

    assert code != 0
    assert str(root) in capsys.readouterr().err
    assert before == files_of(small_bundle)
