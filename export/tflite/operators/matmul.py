"""MatMul."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import constant, dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write FULLY_CONNECTED for constant weights, else BATCH_MATMUL."""
    left, right, result = node.inputs[0], node.inputs[1], node.outputs[0]
    assert left is not None
    assert right is not None
    array = constant(right)
    if array is None or array.ndim != 2:
        inputs = [to.read(left), to.read(right)]
        to.emit("BATCH_MATMUL", inputs, [to.write(result)], "BatchMatMulOptions")
        return
    inputs = [
        to.read(left),
        to.constant(right.name or "", np.ascontiguousarray(array.T)),
        to.constant(f"{result.name}.bias", np.zeros(array.shape[1], np.float32)),
    ]
    # Version 5 keeps the leading axes of a tensor of more than two.
    high = len(dims(left)) > 2
    kind, version = "FullyConnectedOptions", 5 if high else 1
    to.emit("FULLY_CONNECTED", inputs, [to.write(result)], kind, version, keepNumDims=high)
