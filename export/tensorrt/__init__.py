"""Target `tensorrt`: every segment as an engine, built on the machine that will run it.

numpy and TensorRT are enough, as on a Jetson.
"""

from __future__ import annotations

from collections.abc import Sequence

from calexnet.export.graph.portable import PortableGraphs
from calexnet.export.settings import EngineSettings
from calexnet.export.targets import EngineTarget
from calexnet.export.tensorrt.builder import build_engine
from calexnet.export.tensorrt.profile import profiles
from calexnet.manifest import Fingerprint
from calexnet.runtimes.tensorrt.library import tensorrt_here


class TensorRt(EngineTarget):
    """Target ``tensorrt``. What builds it is no package for sure: it stands in the fingerprint."""

    precisions = ("fp16", "int8-symmetric")

    def build(
        self, graphs: PortableGraphs, exit_rates: Sequence[float], settings: EngineSettings
    ) -> tuple[Fingerprint, tuple[bytes, ...]]:
        """See `EngineTarget`."""
        trt, fingerprint = tensorrt_here()
        wanted = profiles(exit_rates, settings.batches)
        engines = (build_engine(trt, *pair, settings) for pair in zip(graphs, wanted, strict=True))
        return fingerprint, tuple(engines)
