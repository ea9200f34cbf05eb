"""Target `tflite`: every segment as a flatbuffer, written by ourselves from its ONNX graph.

No TensorFlow, JAX or torch: ``prepare`` reads the graph, ``layout`` turns it channels last,
``bypass`` and ``fuse`` tidy it, and ``operators`` write it down one by one. What TFLite lacks is
refused by name before anything is written.
"""

from __future__ import annotations

from pathlib import Path

from calexnet.export.portable import PortableGraph, PortableGraphs, write_graph
from calexnet.export.tflite.order import order_at_border
from calexnet.manifest import GraphRecord, TensorRecord

FOLDER = "tflite"
#: What builds its files, besides calexnet.
PACKAGES = ("ai-edge-litert", "flatbuffers", "onnx", "onnx-ir")
PRECISIONS: tuple[str, ...] = ()


def compile(graphs: PortableGraphs, bundle: Path) -> tuple[GraphRecord, ...]:
    """Write every graph into the target's folder of `bundle`; return their records, plain last.

    Raises:
        ExportError: An operator is outside the set, or asks for what TFLite does not do.
        RuntimeUnavailableError: onnx or the schema is not installed.
    """
    from calexnet.export.tflite.flatbuffer import require

    require()
    files = [convert(graph.data) for graph in graphs]
    return tuple(_write(bundle, *pair) for pair in zip(graphs, files, strict=True))


def _write(bundle: Path, graph: PortableGraph, data: bytes) -> GraphRecord:
    path = f"{FOLDER}/{graph.name}.tflite"
    inputs, outputs = map(_as_it_lies, graph.inputs), map(_as_it_lies, graph.outputs)
    return write_graph(bundle, path, data, graph.name, tuple(inputs), tuple(outputs))


def _as_it_lies(tensor: TensorRecord) -> TensorRecord:
    """Return the record of a tensor whose maps are channels last."""
    order = order_at_border(tensor.name, len(tensor.shape))
    return TensorRecord(tensor.name, tensor.dtype, tuple(tensor.shape[axis] for axis in order))


def convert(data: bytes) -> bytes:
    """Return the ``.tflite`` file of an ONNX file whose operators are in `operators.LOWERINGS`.

    Its one signature has the graph's name, its tensors have the ONNX names, and it takes any batch.
    Tensors of rank 4 are channels last, but for ``image``, which stays as it is.

    Raises:
        ExportError: An operator is outside the set, or asks for what TFLite does not do.
        RuntimeUnavailableError: The schema is not installed.
    """
    from calexnet.export.tflite.bypass import bypass
    from calexnet.export.tflite.emitter import Emitter
    from calexnet.export.tflite.fuse import fuse_clamps
    from calexnet.export.tflite.layout import channels_last
    from calexnet.export.tflite.operators import lowering
    from calexnet.export.tflite.prepare import prepare

    graph = prepare(data)
    channels_last(graph)
    bypass(graph)
    fuse_clamps(graph)
    emitter = Emitter(graph)
    for node in graph:
        lowering(node.op_type)(node, emitter)
    return emitter.finish()
