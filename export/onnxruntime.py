"""Target `onnxruntime`: the portable graphs themselves, as ONNX files."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from calexnet.errors import ExportError
from calexnet.export.counts import count
from calexnet.export.portable import PortableGraph, PortableGraphs, write_graph
from calexnet.manifest import GraphRecord

FOLDER = "onnxruntime"
#: What builds its files, besides calexnet.
PACKAGES = ("onnxruntime",)
PRECISIONS = ("fp16", "int8", "int8-symmetric")


def compile(graphs: PortableGraphs, bundle: Path) -> tuple[GraphRecord, ...]:
    """Write every graph into the target's folder of `bundle`; return their records, plain last."""
    return _write(graphs, bundle, FOLDER)


def narrow(
    graphs: PortableGraphs,
    bundle: Path,
    attach: Sequence[str],
    precision: str,
    images: NDArray[Any],
) -> tuple[GraphRecord, ...]:
    """Write every graph at `precision` into a folder of its own; return their records, plain last.

    Args:
        graphs: At float32.
        bundle: Its folder.
        attach: Where the branches are, in running order.
        precision: One of `PRECISIONS`.
        images: Real ones, as the graphs take them, to find ranges on.

    Raises:
        ExportError: The graphs cannot be had at this precision.
    """
    from calexnet.export.precisions.rejoin import narrow_cascade

    narrower = narrow_cascade(graphs, attach, precision, images)
    return _write(narrower, bundle, f"{FOLDER}/{precision}")


def _write(graphs: PortableGraphs, bundle: Path, folder: str) -> tuple[GraphRecord, ...]:
    return tuple(_written(graph, bundle, f"{folder}/{graph.name}.onnx") for graph in graphs)


def _written(graph: PortableGraph, bundle: Path, path: str) -> GraphRecord:
    record = write_graph(bundle, path, graph.data, graph.name, graph.inputs, graph.outputs)
    with contextlib.suppress(ExportError):  # it runs all the same
        record = replace(record, counts=count(graph.data))
    return record
