"""Engines that a board lacks are built before they are asked for, and once."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.bundle import open_bundle
from calexnet.cli import engines
from calexnet.data import npz
from calexnet.export import export_bundle
from tests.runtimes.tensorrt.conftest import forget, put_in_place
from tests.support import tensorrt_stand_in
from tests.support.onnx_bundle import sample_data, write_bundle


def built(bundle: Path) -> list[str]:
    compiled = open_bundle(bundle).manifest.compiled
    return [build.precision for build in compiled if build.target == "tensorrt"]


def test_what_is_missing_is_built_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put_in_place(monkeypatch, tensorrt_stand_in.Cuda())
    bundle = tmp_path / "bundle"
    write_bundle(bundle)
    npz.save(sample_data(), tmp_path / "squares.npz")
    images = str(tmp_path / "squares.npz")
    export_bundle(bundle, target="onnxruntime", precision="fp16", calib_data=images)

    assert 0 == engines.main([str(bundle), "fp32"])
    assert ["fp32"] == built(bundle)
    assert 0 == engines.main([str(bundle)])
    assert ["fp32", "fp16"] == built(bundle)
    capsys.readouterr()
    assert 0 == engines.main([str(bundle)])
    assert "" == capsys.readouterr().out
    forget()


def test_without_tensorrt_the_first_word_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(tmp_path / "bundle")

    assert 4 == engines.main([str(tmp_path / "bundle")])
    assert capsys.readouterr().err.startswith("engines: error: TensorRT cannot be used here")
