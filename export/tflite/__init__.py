"""Target `tflite`: every segment as a flatbuffer, written by ourselves from its ONNX graph.

No TensorFlow, JAX or torch: ``prepare`` reads the graph, ``layout`` turns it channels last,
``bypass`` and ``fuse`` tidy it, and ``operators`` write it down one by one. What TFLite lacks is
refused by name before anything is written.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from calexnet.export.graph.portable import PortableGraph, PortableGraphs, write_graph
from calexnet.export.targets import FileTarget
from calexnet.export.tflite.passes.order import order_at_border
from calexnet.export.tflite.quantisation import LOWEST
from calexnet.manifest import GraphRecord, TensorRecord


class Tflite(FileTarget):
    """Target ``tflite``."""

    packages = ("ai-edge-litert", "flatbuffers", "onnx", "onnx-ir")
    precisions = ("fp16", "int8")

    def check(self, graphs: PortableGraphs) -> None:
        """See `FileTarget`."""
        _converted(graphs)

    def compile(self, graphs: PortableGraphs, bundle: Path, folder: str) -> tuple[GraphRecord, ...]:
        """See `FileTarget`."""
        return tuple(
            _write(bundle, f"{folder}/{graph.name}.tflite", graph, data)
            for graph, data in zip(graphs, _converted(graphs), strict=True)
        )


def _converted(graphs: PortableGraphs) -> list[bytes]:
    from calexnet.export.tflite.flatbuffer import require

    require()
    return [convert(graph.data) for graph in graphs]


def _write(bundle: Path, path: str, graph: PortableGraph, data: bytes) -> GraphRecord:
    inputs, outputs = map(_as_it_lies, graph.inputs), map(_as_it_lies, graph.outputs)
    return write_graph(bundle, path, data, graph.name, tuple(inputs), tuple(outputs))


def _as_it_lies(tensor: TensorRecord) -> TensorRecord:
    """Return the record of a tensor as TFLite has it: maps channels last, integers signed."""
    order = order_at_border(tensor.name, len(tensor.shape))
    turned = replace(tensor, shape=tuple(tensor.shape[axis] for axis in order))
    if tensor.dtype == "float16":
        return replace(turned, dtype="float32")
    if tensor.dtype == "uint8" and tensor.zero_point is not None:
        return replace(turned, dtype="int8", zero_point=tensor.zero_point + LOWEST)
    return turned


def convert(data: bytes) -> bytes:
    """Return the ``.tflite`` file of an ONNX file whose operators are in `operators.LOWERINGS`.

    Its one signature has the graph's name, its tensors have the ONNX names, and it takes any batch.
    Tensors of rank 4 are channels last, but for ``image``, which stays as it is.

    Raises:
        ExportError: An operator is outside the set, or asks for what TFLite does not do.
        RuntimeUnavailableError: The schema is not installed.
    """
    from calexnet.export.tflite.emitter import Emitter
    from calexnet.export.tflite.operators import lowering
    from calexnet.export.tflite.passes.bypass import bypass
    from calexnet.export.tflite.passes.fuse import fuse_clamps
    from calexnet.export.tflite.passes.halves import compute_in_full
    from calexnet.export.tflite.passes.integers import count_in_integers
    from calexnet.export.tflite.passes.layout import channels_last
    from calexnet.export.tflite.prepare import prepare

    graph = prepare(data)
    compute_in_full(graph)
    count_in_integers(graph)
    channels_last(graph)
    bypass(graph)
    fuse_clamps(graph)
    emitter = Emitter(graph)
    for node in graph:
        lowering(node.op_type)(node, emitter)
    return emitter.finish()
