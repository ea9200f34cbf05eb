"""Target `onnxruntime`: the portable graphs themselves, as ONNX files."""

from __future__ import annotations

from pathlib import Path

from calexnet.export.portable import PortableGraphs, write_graph
from calexnet.manifest import GraphRecord

FOLDER = "onnxruntime"
#: What builds its files, besides calexnet.
PACKAGES = ("onnxruntime",)
PRECISIONS = ("fp16", "int8", "int8-symmetric")


def compile(graphs: PortableGraphs, bundle: Path, folder: str = FOLDER) -> tuple[GraphRecord, ...]:
    """Write every graph into `folder` of `bundle`; return their records, plain last."""
    return tuple(
        write_graph(bundle, f"{folder}/{g.name}.onnx", g.data, g.name, g.inputs, g.outputs)
        for g in graphs
    )
