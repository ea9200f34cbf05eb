"""calexnet: compile early-exit CNN cascades for the edge, and measure where they pay.

An app needs ``calexnet.load`` alone::

    cascade = calexnet.load("bundle/")
    result = cascade(images)            # result.labels, result.scores, result.exits
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from calexnet import moved
from calexnet.errors import (
    BundleError,
    CalexnetError,
    CheckpointError,
    DeviceError,
    EngineError,
    ExportError,
    InputError,
    MeasurementError,
    ParityError,
    RuntimeUnavailableError,
    StorageError,
    TrainingError,
)

if TYPE_CHECKING:
    from calexnet.runtimes import Result, Runner, load
__all__ = [
    "BundleError",
    "CalexnetError",
    "CheckpointError",
    "DeviceError",
    "EngineError",
    "ExportError",
    "InputError",
    "MeasurementError",
    "ParityError",
    "Result",
    "Runner",
    "RuntimeUnavailableError",
    "StorageError",
    "TrainingError",
    "__version__",
    "load",
]


moved.install()


def __getattr__(name: str) -> Any:
    """Import on first use what costs time: the runtimes, and importlib.metadata even more."""
    if name in ("Result", "Runner", "load"):
        from calexnet import runtimes

        return getattr(runtimes, name)
    if name == "__version__":
        from importlib.metadata import version

        return version("calexnet")
    raise AttributeError(f"module 'calexnet' has no attribute {name!r}")
