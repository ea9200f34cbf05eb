"""TensorRT on this machine: what it is, for which GPU it builds, and whose engines it may run."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from calexnet.errors import RuntimeUnavailableError
from calexnet.manifest import Fingerprint
from calexnet.runtimes.tensorrt.cuda_driver import NoGpuError, first_gpu

#: The oldest that can be used: that of JetPack 6.
OLDEST = (10, 3)


def tensorrt_here() -> tuple[Any, Fingerprint]:
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
            fix="On a Jetson: apt install python3-libnvinfer, and a venv with "
            "--system-site-packages. Elsewhere: pip install tensorrt-cu13",
        )
    trt, gpu = found
    mark = Fingerprint(f"tensorrt {trt.__version__}", gpu.name, gpu.compute_capability, gpu.driver)
    return trt, mark


def _module() -> Any:
    trt = import_module("tensorrt")
    if tuple(int(part) for part in trt.__version__.split(".")[:2]) < OLDEST:
        raise ImportError(f"TensorRT {trt.__version__}, older than {OLDEST[0]}.{OLDEST[1]}")
    return trt


def not_started(trt: Any, said: str) -> RuntimeUnavailableError:
    """Return the error for what the bindings tell as a null pointer: TensorRT does not start."""
    return RuntimeUnavailableError(
        f"{title(trt)} does not start",
        got=said,
        expected="a GPU, and a driver for the CUDA version of this TensorRT",
        fix="Look at both with nvidia-smi (on a Jetson: cat /etc/nv_tegra_release), then update "
        "the driver or install the TensorRT made for it",
    )


def title(trt: Any) -> str:
    """Return the name and version of `trt`, for messages."""
    name = {"tensorrt": "TensorRT", "tensorrt_rtx": "TensorRT-RTX"}.get(trt.__name__, trt.__name__)
    return f"{name} {trt.__version__}"


def refuse_foreign(built: Fingerprint, here: Fingerprint, rebuild: str) -> None:
    """Do nothing if engines with the fingerprint `built` may be deserialised here.

    Args:
        built: Of the engines.
        here: Of this machine.
        rebuild: The command that builds them again.

    Raises:
        RuntimeUnavailableError: They are of another GPU, driver or TensorRT.
    """
    if built != here:
        raise RuntimeUnavailableError(
            "the engines were built elsewhere, and TensorRT may not open them here",
            got=_words(built),
            expected=_words(here),
            fix=f"Build them for this machine: {rebuild}",
        )


def _words(mark: Fingerprint) -> str:
    return (
        f"{mark.runtime} on {mark.gpu} (compute capability {mark.compute_capability}, driver for "
        f"CUDA {mark.driver})"
    )
