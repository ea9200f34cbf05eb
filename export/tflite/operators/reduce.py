"""ReduceMean, ReduceMax, ReduceMin and ReduceSum over constant axes."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter

CODES = {
    "ReduceMax": "REDUCE_MAX",
    "ReduceMean": "MEAN",
    "ReduceMin": "REDUCE_MIN",
    "ReduceSum": "SUM",
}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator of the same meaning."""
    inputs = [to.read(node.inputs[0]), to.read(node.inputs[1])]
    keeps = node.attributes.get_int("keepdims", 1) == 1
    outputs = [to.write(node.outputs[0])]
    to.emit(CODES[node.op_type], inputs, outputs, "ReducerOptions", keepDims=keeps)
