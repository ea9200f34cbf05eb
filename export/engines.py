"""Engines for one GPU, from the graphs that a bundle holds at their precision.

Whoever narrows a cascade needs its data, onnx and a host; whoever builds engines has the GPU and
little else. So engines take precision, thresholds and all from the ONNX graphs as they are.
"""

from __future__ import annotations

from dataclasses import replace

from calexnet.bundle import Bundle
from calexnet.errors import InputError
from calexnet.export.graph import portable
from calexnet.export.settings import EngineSettings
from calexnet.export.targets import EngineTarget, target_of
from calexnet.files.targets import ENDINGS
from calexnet.manifest import FULL, Compiled


def builds_engines(target: str) -> bool:
    """Return whether `target` is built for one GPU, from graphs at any precision."""
    return isinstance(target_of(target), EngineTarget)


def refuse_options(target: str, settings: EngineSettings | None, calib_data: str | None) -> None:
    """Do nothing if `target` has what was chosen.

    Raises:
        InputError: It has not.
    """
    if not builds_engines(target) and settings is not None:
        raise InputError(
            f"target {target} has no --batch, --workspace-mib or --timing-cache",
            expected="no such choice: its files take any batch",
        )
    if builds_engines(target) and calib_data is not None:
        raise InputError(
            f"target {target} takes no --calib-data",
            expected="ranges and thresholds as the bundle's ONNX graphs have them",
        )


def build_engines(
    bundle: Bundle, target: str, precision: str, settings: EngineSettings | None, *, reason: str
) -> Compiled:
    """Write the engines of `target` into the folder of `bundle`; return the manifest's entry.

    Args:
        bundle: With ONNX graphs at `precision`; its folder is being written.
        target: One that builds engines.
        precision: Of the graphs.
        settings: The user's, ``None`` = the usual ones.
        reason: Why nothing is known of their parity yet.

    Raises:
        BundleError: There are no graphs at `precision`.
        CalexnetError: What the target raises.
    """
    builder = target_of(target)
    assert isinstance(builder, EngineTarget), "files are compiled by compile_target"
    settings = settings or EngineSettings()
    source = portable.portable_build(bundle, precision)
    point = bundle.manifest.operating_point(None, source)
    graphs = portable.read(bundle, precision)
    fingerprint, engines = builder.build(graphs, point.exit_rates, settings)
    folder = target if precision == FULL else f"{target}/{precision}"
    *segments, plain = (
        portable.write_graph(
            bundle.folder,
            f"{folder}/{graph.name}{ENDINGS[target]}",
            data,
            graph.name,
            graph.inputs,
            graph.outputs,
            buckets=settings.batches,
        )
        for graph, data in zip(graphs, engines, strict=True)
    )
    return replace(
        source,
        target=target,
        segments=tuple(segments),
        plain=plain,
        parity=None,
        parity_reason=builder.never_run or reason,
        fingerprint=fingerprint,
    )
