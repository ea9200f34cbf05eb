"""Planning anew against padding, on LiteRT itself."""

from __future__ import annotations

from pathlib import Path

from benchmarks.sizes import size_figures
from calexnet.bundle import open_bundle
from calexnet.export import export_bundle
from calexnet.runtimes.loading import load_runner
from tests.support.onnx_bundle import random_images, write_bundle


def test_every_segment_is_timed_either_way(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    export_bundle(tmp_path / "bundle", target="tflite")
    runner = load_runner(open_bundle(tmp_path / "bundle"), "tflite", threads=1)

    figures = size_figures("squares", runner, random_images(9), blocks=7)

    assert [
        f"squares, segment {number}, batches of 7 and 8: planned anew / padded to 8"
        for number in (1, 2, 3)
    ] == [figure.what for figure in figures]
    assert all(figure.value.low <= figure.value.value <= figure.value.high for figure in figures)
    assert all(figure.value.value > 0 for figure in figures)
