"""TensorRT on this machine: what it is, and for which GPU it builds."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from calexnet.errors import RuntimeUnavailableError
from calexnet.manifest import Fingerprint
from calexnet.runtimes.cuda_driver import Gpu, NoGpuError, first_gpu

#: The oldest that can be used: that of JetPack 6.
OLDEST = (10, 3)


def library() -> tuple[Any, Fingerprint]:
    """Return the module `tensorrt`, and the fingerprint of what it builds and runs here.

    Raises:
        RuntimeUnavailableError: It, the driver or the GPU is missing; the message names all that
            is.
    """
    found: list[Any] = []
    problems = []
    for part in (_module, first_gpu):
        try:
            found.append(part())
        except (ImportError, NoGpuError) as problem:
            problems.append(str(problem))
    if problems:
        raise RuntimeUnavailableError(
            "TensorRT cannot be used here",
            got="; ".join(problems),
            expected=f"TensorRT {OLDEST[0]}.{OLDEST[1]} or newer, and an NVIDIA GPU with its "
            "driver",
            fix="On a Jetson JetPack brings both: apt install python3-libnvinfer, in a venv made "
            "with --system-site-packages. Elsewhere install NVIDIA's driver, then: pip install "
            "tensorrt-cu13 (or -cu12, after the driver). To see without a GPU whether the graphs "
            "build: --target tensorrt-rtx",
        )
    trt, gpu = found
    return trt, _fingerprint(trt, gpu)


def _module() -> Any:
    trt = import_module("tensorrt")
    if tuple(int(part) for part in trt.__version__.split(".")[:2]) < OLDEST:
        raise ImportError(f"TensorRT {trt.__version__}, older than {OLDEST[0]}.{OLDEST[1]}")
    return trt


def _fingerprint(trt: Any, gpu: Gpu) -> Fingerprint:
    return Fingerprint(f"tensorrt {trt.__version__}", gpu.name, gpu.compute_capability, gpu.driver)
