"""Target `onnxruntime`: the portable graphs themselves, as ONNX files."""

from __future__ import annotations

from pathlib import Path

from calexnet.export.portable import PortableGraphs, write_graph
from calexnet.manifest import GraphRecord

FOLDER = "onnxruntime"
#: What builds its files, besides calexnet.
PACKAGES = ("onnxruntime",)


def compile(graphs: PortableGraphs, bundle: Path) -> tuple[GraphRecord, ...]:
    """Write every graph into the target's folder of `bundle`; return their records, plain last."""
    return tuple(
        write_graph(bundle, f"{FOLDER}/{g.name}.onnx", g.data, g.name, g.inputs, g.outputs)
        for g in graphs
    )
