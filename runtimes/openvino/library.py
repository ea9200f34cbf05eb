"""OpenVINO itself: one core for the whole process."""

from __future__ import annotations

from functools import cache
from typing import Any

from calexnet.errors import RuntimeUnavailableError


def core() -> Any:
    """Return OpenVINO's core, which all engines of this process share.

    Raises:
        RuntimeUnavailableError: OpenVINO is not installed.
    """
    try:
        import openvino  # noqa: F401
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "OpenVINO cannot be used here",
            got=missing,
            fix="Run: pip install 'calexnet[openvino]'",
        ) from missing
    return _core()


@cache
def _core() -> Any:
    import openvino

    return openvino.Core()


def version() -> str:
    """Return the version that is installed, such as ``2026.4.1``."""
    import openvino

    return str(openvino.__version__).partition("-")[0]


@cache
def capabilities() -> tuple[str, ...]:
    """Return what OpenVINO says that this processor computes in, such as ``FP32`` and ``BF16``."""
    return tuple(core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
