"""Engines on TensorRT, tensors in the GPU's memory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.manifest import Fingerprint, GraphRecord
from calexnet.runtimes.cuda import Cuda, open_cuda
from calexnet.runtimes.cuda_driver import NoGpuError
from calexnet.runtimes.tensorrt.engine import TensorRtEngine
from calexnet.runtimes.tensorrt.lane import TensorRtLane
from calexnet.runtimes.tensorrt.library import not_started, refuse_foreign, tensorrt_here, title
from calexnet.runtimes.tensorrt.log import recording_log

#: Where a batch's tensors live.
LANE = TensorRtLane

PROVIDERS = ("cuda",)

_FOR_CUDA_12 = "for a driver of CUDA 12, as on JetPack 6: pip install 'cuda-bindings==12.*'"


def require() -> None:
    """Do nothing if TensorRT can be used here.

    Raises:
        RuntimeUnavailableError: TensorRT, its driver, a GPU or the CUDA bindings are missing.
    """
    tensorrt_here()
    gpu_memory()


def check(built: Fingerprint, rebuild: str) -> None:
    """Do nothing if engines with the fingerprint `built` may be deserialised here.

    Args:
        built: Of the engines.
        rebuild: The command that builds them again.

    Raises:
        RuntimeUnavailableError: They are of another GPU, driver or TensorRT.
    """
    refuse_foreign(built, tensorrt_here()[1], rebuild)


def packages() -> tuple[str, ...]:
    """Return the packages that run engines here; TensorRT itself stands in the fingerprint."""
    return ("cuda-bindings",)


def load(
    record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
) -> TensorRtEngine:
    """Return an engine from its bytes; its fingerprint has been checked.

    Args:
        record: What the manifest says of it.
        data: The engine, already checked.
        provider: One of `PROVIDERS`, or ``None``.
        threads: Of no use to a GPU.

    Raises:
        InputError: Unknown provider.
        BundleError: TensorRT refuses the engine, or it has other tensors than the manifest says.
    """
    if provider is not None and provider not in PROVIDERS:
        raise InputError(
            "unknown provider", got=repr(provider), expected=f"one of {', '.join(PROVIDERS)}"
        )
    trt, _ = tensorrt_here()
    log = recording_log(trt)
    since = log.mark()
    engine = _runtime(trt).deserialize_cuda_engine(data)
    if engine is None:
        raise BundleError(
            f"{title(trt)} refuses {record.file.path}",
            got=log.text(since),
            fix="If memory is short: end other programs on the GPU, or build for smaller batches, "
            "calexnet-export BUNDLE --target tensorrt --batch 1,8; else build the engines again",
        )
    _check_tensors(trt, engine, record)
    return TensorRtEngine(record, engine, log, gpu_memory())


@cache
def _runtime(trt: Any) -> Any:
    """Return the one runtime of the process, which has to outlive every engine.

    Raises:
        RuntimeUnavailableError: TensorRT does not start here.
    """
    log = recording_log(trt)
    since = log.mark()
    try:
        return trt.Runtime(log)
    except TypeError as nothing:  # what the bindings make of a null pointer
        raise not_started(trt, log.text(since)) from nothing


@cache
def gpu_memory() -> Cuda:
    """Return the memory of the GPU, which all engines of this process share.

    Raises:
        RuntimeUnavailableError: The bindings are missing, or do not fit the driver.
    """
    what = "the GPU's memory cannot be reached"
    try:
        return open_cuda()
    except ImportError as missing:
        raise RuntimeUnavailableError(
            what,
            got=missing,
            expected="the package cuda-bindings, of a CUDA version that the driver serves",
            fix=f"Run: pip install 'calexnet[tensorrt]'; {_FOR_CUDA_12}",
        ) from missing
    except NoGpuError as problem:
        raise RuntimeUnavailableError(
            what,
            got=problem,
            expected="a driver as new as the CUDA version of the package cuda-bindings",
            fix="Update the driver (on a Jetson it comes with JetPack), or install bindings as old "
            f"as it is; {_FOR_CUDA_12}",
        ) from problem


def _check_tensors(trt: Any, engine: Any, record: GraphRecord) -> None:
    """Do nothing if the engine reads and gives what the manifest says: memory is made for it."""
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    found = {name: np.dtype(trt.nptype(engine.get_tensor_dtype(name))).name for name in names}
    expected = {tensor.name: tensor.dtype for tensor in (*record.inputs, *record.outputs)}
    if found != expected:
        raise BundleError(
            f"{record.file.path} is another engine than the manifest says",
            got=found,
            expected=f"{expected}",
            fix="Build the engines again: calexnet-export BUNDLE --target tensorrt",
        )
