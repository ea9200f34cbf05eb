"""Engines on TensorRT, tensors in the GPU's memory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.manifest import Fingerprint, GraphRecord
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.tensorrt.cuda import Cuda, open_cuda
from calexnet.runtimes.tensorrt.cuda_driver import NoGpuError
from calexnet.runtimes.tensorrt.engine import TensorRtEngine
from calexnet.runtimes.tensorrt.lane import TensorRtLane
from calexnet.runtimes.tensorrt.library import not_started, refuse_foreign, tensorrt_here, title
from calexnet.runtimes.tensorrt.log import recording_log

PROVIDERS = ("cuda",)

_FOR_CUDA_12 = "for a driver of CUDA 12, as on JetPack 6: pip install 'cuda-bindings==12.*'"


class TensorRt(Runtime):
    """Runs target ``tensorrt``; its engines run only where they were built."""

    lane = TensorRtLane

    def require(self) -> None:
        """See `Runtime`; the driver, a GPU and the CUDA bindings are needed too."""
        tensorrt_here()
        gpu_memory()

    def packages(self) -> tuple[str, ...]:
        """See `Runtime`; TensorRT itself stands in the fingerprint."""
        return ("cuda-bindings",)

    def check(self, built: Fingerprint, rebuild: str) -> None:
        """See `Runtime`."""
        refuse_foreign(built, tensorrt_here()[1], rebuild)

    def load(
        self, record: GraphRecord, data: bytes, *, provider: str | None, threads: int | None
    ) -> TensorRtEngine:
        """See `Runtime`; threads are of no use to a GPU."""
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
                fix="If memory is short: end other programs on the GPU, or build for smaller "
                "batches, calexnet-export BUNDLE --target tensorrt --batch 1,8; else build the "
                "engines again",
            )
        _check_tensors(trt, engine, record)
        return TensorRtEngine(record, engine, log, gpu_memory())

    def version(self) -> str:
        """See `Runtime`."""
        return title(tensorrt_here()[0])


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
