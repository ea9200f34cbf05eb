"""The pass that leaves out what moves nothing: identities, and casts between equal types."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.flatbuffer import TYPES


def bypass(graph: ir.Graph) -> None:
    """Take every node that gives what it gets out of `graph`, in place, but from input to output.

    A result of the graph keeps its name.
    """
    for node in list(graph):
        source, result = node.inputs[0] if node.inputs else None, node.outputs[0]
        if source is None or not _moves_nothing(node):
            continue
        if result.is_graph_output():
            if source.producer() is None or source.is_graph_output():
                continue
            source.name = result.name
        ir.convenience.replace_all_uses_with(result, source, replace_graph_outputs=True)
        graph.remove(node, safe=True)


def _moves_nothing(node: ir.Node) -> bool:
    if node.op_type == "Cast":
        return _held(node.inputs[0]) == _held(node.outputs[0])
    return node.op_type in ("Dropout", "Identity")


def _held(value: ir.Value | None) -> str | None:
    """Return the type that holds `value` in TFLite."""
    if value is None or value.dtype is None:
        return None
    return TYPES.get(value.dtype.numpy().name)
