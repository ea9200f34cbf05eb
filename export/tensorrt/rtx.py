"""Target `tensorrt-rtx`: the same engines by TensorRT-RTX, which builds them without a GPU.

They show that every graph parses, has sound types and shapes, and builds. They are for desktop GPUs
from Ampere on, not for a Jetson, and calexnet runs none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.export.graph.portable import PortableGraphs
from calexnet.export.settings import EngineSettings
from calexnet.export.targets import EngineTarget
from calexnet.export.tensorrt.builder import build_engine
from calexnet.export.tensorrt.profile import profiles
from calexnet.manifest import Fingerprint
from calexnet.runtimes.tensorrt.rtx import REASON


class TensorRtRtx(EngineTarget):
    """Target ``tensorrt-rtx``; its wheels differ by CUDA version."""

    precisions = ("fp16", "int8-symmetric")
    never_run = REASON

    def build(
        self, graphs: PortableGraphs, exit_rates: Sequence[float], settings: EngineSettings
    ) -> tuple[Fingerprint, tuple[bytes, ...]]:
        """See `EngineTarget`."""
        trt = _module()
        if settings.timing_cache is not None:
            raise InputError("TensorRT-RTX has no timing cache", fix="Leave out --timing-cache")
        wanted = profiles(exit_rates, settings.batches)
        engines = (build_engine(trt, *pair, settings) for pair in zip(graphs, wanted, strict=True))
        built = tuple(engines)
        return Fingerprint(f"tensorrt-rtx {trt.__version__}", None, None, None), built


def _module() -> Any:
    try:
        return import_module("tensorrt_rtx")
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "TensorRT-RTX cannot be used here",
            got=missing,
            fix="Run: pip install 'calexnet[tensorrt-rtx]' (x86_64)",
        ) from missing
