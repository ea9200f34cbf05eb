"""The portable form of a cascade: ONNX graphs as bytes, from which every target is compiled.

Nothing here needs torch or onnx, so that a board compiles engines from a bundle without them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calexnet.bundle import Bundle
from calexnet.errors import BundleError
from calexnet.files.storage import sha256
from calexnet.manifest import FULL, SEGMENTS, Compiled, FileRecord, GraphRecord, TensorRecord

#: The target and precision whose files are the portable graphs themselves.
TARGET, PRECISION = "onnxruntime", FULL


@dataclass(frozen=True)
class PortableGraph:
    """One segment, or the plain backbone.

    Attributes:
        name: ``segment1`` ... ``segmentN`` or ``plain``.
        data: Of the ONNX file.
        inputs: In the graph's order.
        outputs: In the graph's order.
    """

    name: str
    data: bytes
    inputs: tuple[TensorRecord, ...]
    outputs: tuple[TensorRecord, ...]


@dataclass(frozen=True)
class PortableGraphs:
    """A whole cascade; iterating gives the segments in running order, then `plain`."""

    segments: tuple[PortableGraph, ...]
    plain: PortableGraph

    def __iter__(self) -> Iterator[PortableGraph]:
        """Yield every graph, plain last."""
        yield from self.segments
        yield self.plain


def read(bundle: Bundle, precision: str = PRECISION) -> PortableGraphs:
    """Return the ONNX graphs that `bundle` holds at `precision`.

    Raises:
        BundleError: It holds none, or a file was changed.
    """
    build = portable_build(bundle, precision)
    *segments, plain = (
        PortableGraph(record.name, bundle.read_graph(record), record.inputs, record.outputs)
        for record in (*build.segments, build.plain)
    )
    return PortableGraphs(tuple(segments), plain)


def portable_build(bundle: Bundle, precision: str = PRECISION) -> Compiled:
    """Return the entry of the ONNX graphs at `precision` in the manifest.

    Raises:
        BundleError: There is none.
    """
    for build in bundle.manifest.compiled:
        if (build.target, build.precision, build.layout) == (TARGET, precision, SEGMENTS):
            return build
    held = ", ".join(f"{b.target} {b.precision}" for b in bundle.manifest.compiled)
    if precision == PRECISION:
        raise BundleError(
            f"{bundle.folder} holds no portable graphs",
            got=held,
            expected=f"{TARGET} {PRECISION}, which every target is compiled from",
            fix="Export the cascade again from its run",
        )
    raise BundleError(
        f"{bundle.folder} holds no graphs at {precision}",
        got=held,
        expected=f"{TARGET} {precision}, which engines at {precision} are built from",
        fix=f"On the host: calexnet-export BUNDLE --precision {precision} --calib-data DATA; then "
        "copy the bundle here again",
    )


def write_graph(
    bundle: Path,
    path: str,
    data: bytes,
    name: str,
    inputs: tuple[TensorRecord, ...],
    outputs: tuple[TensorRecord, ...],
    buckets: tuple[int, ...] | None = None,
) -> GraphRecord:
    """Write one compiled graph; return its record.

    Args:
        bundle: The bundle's folder.
        path: Of the file below it.
        data: The file's content.
        name: Of the graph.
        inputs: In the graph's order.
        outputs: In the graph's order.
        buckets: Batch sizes that it takes, ``None`` = any.
    """
    (bundle / path).parent.mkdir(parents=True, exist_ok=True)
    (bundle / path).write_bytes(data)
    file = FileRecord(path, sha256(data), len(data))
    return GraphRecord(name, file, inputs, outputs, buckets)
