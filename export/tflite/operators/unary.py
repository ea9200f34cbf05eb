"""One tensor in, one of the same shape out."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter

CODES = {
    "Abs": "ABS",
    "Exp": "EXP",
    "Floor": "FLOOR",
    "HardSwish": "HARD_SWISH",
    "Log": "LOG",
    "Neg": "NEG",
    "Not": "LOGICAL_NOT",
    "Relu": "RELU",
    "Sigmoid": "LOGISTIC",
    "Sqrt": "SQRT",
    "Tanh": "TANH",
}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator of the same meaning."""
    to.emit(CODES[node.op_type], [to.read(node.inputs[0])], [to.write(node.outputs[0])])
