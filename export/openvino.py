"""Target `openvino`: the portable graphs themselves, which its runtime reads as they are."""

from __future__ import annotations

from pathlib import Path

from calexnet.export.graph import portable
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.onnxruntime import written
from calexnet.export.targets import FileTarget
from calexnet.manifest import GraphRecord


class OpenVino(FileTarget):
    """Target ``openvino``."""

    precisions = ("bf16", "int8")
    as_they_are = ("bf16",)

    def compile(self, graphs: PortableGraphs, bundle: Path, folder: str) -> tuple[GraphRecord, ...]:
        """See `FileTarget`; what the bundle holds for ONNX Runtime is not written again."""
        return tuple(written(graph, bundle, _path(graph, bundle, folder)) for graph in graphs)


def _path(graph: PortableGraph, bundle: Path, folder: str) -> str:
    """Return where the very same file lies already, else where it is to be written."""
    for place in (portable.TARGET, folder.replace("openvino", portable.TARGET, 1)):
        path = f"{place}/{graph.name}.onnx"
        if (bundle / path).is_file() and (bundle / path).read_bytes() == graph.data:
            return path
    return f"{folder}/{graph.name}.onnx"
