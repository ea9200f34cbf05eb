"""From a portable graph's bytes to one whose every shape is known and whose operators are ours."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
from onnx_ir.passes import common as passes

from calexnet.export.tflite.flatbuffer import BATCH, TYPES
from calexnet.export.tflite.operators import LOWERINGS
from calexnet.export.tflite.values import add_constant, constant, dims, refusal

#: What a batch size is computed with. Reshapes know theirs already, so nothing of it is left.
_SHAPES = ("Shape", "Size")

#: What to have instead of an operator whose name says little about the layer.
_EXPECTED = {
    "GatherND": "an adaptive pool whose output divides its map; torch writes one that is larger "
    "than its map, or uneven, as look-ups",
}


def prepare(data: bytes) -> ir.Graph:
    """Return the graph of an ONNX file, without constants as nodes and without detours.

    Raises:
        ExportError: An operator is outside the set, or a shape is not known but for the batch.
    """
    inferred = onnx.shape_inference.infer_shapes(onnx.load_from_string(data), data_prop=True)
    model = ir.serde.deserialize_model(inferred)
    passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0)(model)
    passes.IdentityEliminationPass()(model)
    graph = model.graph
    for node in graph:
        _forget_computed_shape(node)
    passes.RemoveUnusedNodesPass()(model)
    _refuse_foreign(graph)
    for node in graph:
        for value in node.outputs:
            _refuse_unknown(graph, node, value)
    return graph


def _forget_computed_shape(node: ir.Node) -> None:
    """Give a reshape its output's shape as a constant, where an image's size was computed."""
    if node.op_type != "Reshape" or constant(node.inputs[1]) is not None:
        return
    wanted = dims(node.outputs[0])
    if wanted.count(BATCH) == 1:
        assert node.graph is not None
        name = f"{node.outputs[0].name}.shape"
        shape = add_constant(node.graph, name, np.array(wanted, np.int64))
        node.replace_input_with(1, shape)


def _refuse_foreign(graph: ir.Graph) -> None:
    for node in graph:
        if node.domain not in ("", "ai.onnx") or node.op_type not in LOWERINGS:
            raise refusal(
                graph,
                node,
                got=f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
                expected=_EXPECTED.get(node.op_type, "an operator that calexnet writes for tflite"),
            )


def _refuse_unknown(graph: ir.Graph, node: ir.Node, value: ir.Value) -> None:
    problem = ""
    if value.dtype is None or value.dtype.numpy().name not in TYPES:
        problem = f"{value.name!r} of type {value.dtype}"
    elif value.shape is None or dims(value).count(BATCH) > 1:
        problem = f"{value.name!r} of shape {value.shape}"
    if problem:
        expected = f"one of {', '.join(TYPES)}, and a shape in which only the batch is open"
        raise refusal(graph, node, got=problem, expected=expected)
