"""Target `tensorrt`: every segment as an engine, built on the machine that will run it.

numpy and TensorRT are enough, as on a Jetson.
"""

from __future__ import annotations

from collections.abc import Sequence

from calexnet.export.portable import PortableGraphs
from calexnet.export.settings import EngineSettings
from calexnet.export.tensorrt.builder import build_engine
from calexnet.export.tensorrt.profile import profiles
from calexnet.manifest import Fingerprint
from calexnet.runtimes.tensorrt.library import tensorrt_here

#: Nothing that pip knows for sure; the version stands in the fingerprint.
PACKAGES: tuple[str, ...] = ()
PRECISIONS = ("fp16", "int8-symmetric")
NEVER_RUN: str | None = None


def build(
    graphs: PortableGraphs, exit_rates: Sequence[float], settings: EngineSettings
) -> tuple[Fingerprint, tuple[bytes, ...]]:
    """Return the engines of `graphs`, plain last, and the fingerprint of where they can run.

    Args:
        graphs: At any of `PRECISIONS`, or float32.
        exit_rates: Share of images expected to take each exit.
        settings: The user's.

    Raises:
        RuntimeUnavailableError: TensorRT, the driver or the GPU is missing.
        ExportError: TensorRT cannot take or build a graph.
    """
    trt, fingerprint = tensorrt_here()
    wanted = profiles(exit_rates, settings.batches)
    engines = (build_engine(trt, *pair, settings) for pair in zip(graphs, wanted, strict=True))
    return fingerprint, tuple(engines)
