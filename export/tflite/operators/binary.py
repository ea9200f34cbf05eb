"""Two tensors in, broadcast against each other; comparisons, logic, powers."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter

CODES = {
    "And": "LOGICAL_AND",
    "Equal": "EQUAL",
    "Greater": "GREATER",
    "GreaterOrEqual": "GREATER_EQUAL",
    "Less": "LESS",
    "LessOrEqual": "LESS_EQUAL",
    "Or": "LOGICAL_OR",
    "Pow": "POW",
}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator of the same meaning."""
    inputs = [to.read(value) for value in node.inputs]
    to.emit(CODES[node.op_type], inputs, [to.write(node.outputs[0])])
