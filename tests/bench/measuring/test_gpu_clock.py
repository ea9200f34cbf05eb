"""Calls timed by the GPU's own clock, over the stand-in whose engines each take a millisecond."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import calexnet
from calexnet.bench.measuring.gpu_clock import GpuClock
from calexnet.errors import MeasurementError
from calexnet.export import export_bundle
from tests.runtimes.tensorrt.conftest import forget, put_in_place
from tests.support import tensorrt_stand_in
from tests.support.onnx_bundle import LOOSE, STRICT, random_images, write_bundle


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A bundle with engines for a GPU that is not there."""
    put_in_place(monkeypatch, tensorrt_stand_in.Cuda())
    write_bundle(tmp_path / "bundle")
    export_bundle(tmp_path / "bundle", target="tensorrt")
    yield tmp_path / "bundle"
    forget()


@pytest.mark.parametrize(("point", "segments"), [(LOOSE, 1), (STRICT, 3)])
def test_a_cascade_takes_what_its_segments_take(bundle: Path, point: str, segments: int) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=point)
    images = random_images(5)
    clock = GpuClock()

    assert segments / 1e3 == clock.seconds(lambda: runner(images))
    assert 1 / 1e3 == clock.seconds(lambda: runner.plain(images))
    assert "gpu" == clock.name


def test_a_batch_in_parts_takes_all_of_them(bundle: Path) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=LOOSE)

    assert 3 / 1e3 == GpuClock().seconds(lambda: runner(random_images(70)))


def test_what_runs_on_the_processor_cannot_be_timed_so(bundle: Path) -> None:
    runner = calexnet.load(bundle, target="onnxruntime")

    with pytest.raises(
        MeasurementError,
        match=r"^a call cannot be timed by the GPU's clock: got a network that runs on the process",
    ):
        GpuClock().seconds(lambda: runner(random_images(5)))
