"""A machine with a GPU that is not there, and bundles with engines for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from calexnet.export import EngineSettings, export_bundle
from calexnet.runtimes import tensorrt
from calexnet.runtimes.tensorrt.cuda_driver import Gpu
from tests.support import tensorrt_stand_in
from tests.support.onnx_bundle import write_bundle

ORIN = Gpu("Orin", "8.7", "12.6")
#: Engines take batches up to this.
LARGEST = 8


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[tensorrt_stand_in.Cuda]:
    """Stand-ins for CUDA, TensorRT 10.3 and an Orin."""
    api = tensorrt_stand_in.Cuda()
    put_in_place(monkeypatch, api)
    yield api
    forget()


def put_in_place(monkeypatch: pytest.MonkeyPatch, api: tensorrt_stand_in.Cuda) -> None:
    """Let calexnet find the stand-ins where it looks for the real modules."""
    forget()
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", api)
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_stand_in.module(api))
    monkeypatch.setattr("calexnet.runtimes.tensorrt.library.first_gpu", lambda: ORIN)


def forget() -> None:
    """Let go of what a process finds once."""
    tensorrt.gpu_memory.cache_clear()
    tensorrt._runtime.cache_clear()


@pytest.fixture
def bundle(cuda: tensorrt_stand_in.Cuda, tmp_path: Path) -> Path:
    """A bundle with engines, which may be changed."""
    folder = tmp_path / "bundle"
    write_bundle(folder)
    export_bundle(folder, target="tensorrt", engines=EngineSettings((1, LARGEST)))
    return folder
