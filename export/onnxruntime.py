"""Target `onnxruntime`: the portable graphs themselves, as ONNX files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calexnet.counts import GraphCounts
from calexnet.errors import ExportError
from calexnet.export.graph.counts import count
from calexnet.export.graph.portable import PortableGraph, PortableGraphs, write_graph
from calexnet.export.targets import FileTarget
from calexnet.manifest import GraphRecord


class OnnxRuntime(FileTarget):
    """Target ``onnxruntime``."""

    packages = ("onnxruntime",)
    precisions = ("fp16", "int8", "int8-symmetric")

    def compile(self, graphs: PortableGraphs, bundle: Path, folder: str) -> tuple[GraphRecord, ...]:
        """See `FileTarget`."""
        return tuple(written(graph, bundle, f"{folder}/{graph.name}.onnx") for graph in graphs)


def written(graph: PortableGraph, bundle: Path, path: str) -> GraphRecord:
    """Write `graph` to `path` below the folder `bundle`; return its record."""
    record = write_graph(bundle, path, graph.data, graph.name, graph.inputs, graph.outputs)
    return with_counts(record, graph.data)


def with_counts(record: GraphRecord, data: bytes) -> GraphRecord:
    """Return the record of an ONNX file with what that holds, if it can be counted."""
    return replace(record, counts=counts_of(data))


def counts_of(data: bytes) -> GraphCounts | None:
    """Return what an ONNX file holds, ``None`` if it cannot be counted: it runs all the same."""
    try:
        return count(data)
    except ExportError:
        return None
