"""The pass that lets an operator do the clamp that follows it."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.values import ACTIVATION, constant

#: Operators whose TFLite form can clamp its own result.
HOSTS = {"Add", "Conv", "Div", "Gemm", "Mul", "Sub"}

_CLAMPS = {(0.0, None): "RELU", (0.0, 6.0): "RELU6", (-1.0, 1.0): "RELU_N1_TO_1"}


def fuse_clamps(graph: ir.Graph) -> None:
    """Note every clamp on the operator before it, in place, if nobody else reads what that gives.

    The result keeps the clamp's name.
    """
    for node in list(graph):
        clamp, host = clamp_of(node), node.inputs[0].producer() if node.inputs[0] else None
        if clamp is None or host is None or not _can_host(host):
            continue
        given, clamped = host.outputs[0], node.outputs[0]
        host.attributes.add(ir.AttrString(ACTIVATION, clamp))
        ir.convenience.replace_all_uses_with(clamped, given, replace_graph_outputs=True)
        name = clamped.name
        graph.remove(node, safe=True)
        given.name = name


def clamp_of(node: ir.Node) -> str | None:
    """Return the schema's name for what `node` does, if it is one of its clamps."""
    if node.op_type == "Relu":
        return "RELU"
    if node.op_type != "Clip":
        return None
    bounds = [constant(value) for value in node.inputs[1:]]
    if any(value and bound is None for value, bound in zip(node.inputs[1:], bounds, strict=True)):
        return None
    low, high = (*(None if b is None else float(b) for b in bounds), None, None)[:2]
    return _CLAMPS.get((low, high)) if low is not None else None


def _can_host(host: ir.Node) -> bool:
    given = host.outputs[0]
    return (
        host.op_type in HOSTS
        and ACTIVATION not in host.attributes
        and given.dtype == ir.DataType.FLOAT
        and not given.is_graph_output()
        and len(tuple(given.uses())) == 1
    )
