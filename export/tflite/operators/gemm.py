"""Gemm: a linear layer."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import constant


def lower(node: ir.Node, to: Emitter) -> None:
    """Write FULLY_CONNECTED with weights ``(outputs, inputs)``; alpha and beta go into them."""
    source, weight, result = node.inputs[0], node.inputs[1], node.outputs[0]
    assert weight is not None
    array = constant(weight)
    if array is None:
        raise to.refuse(node, "computed weights", "constant ones")
    if node.attributes.get_int("transA", 0):
        raise to.refuse(node, "transA", "the batch as first axis")
    if not node.attributes.get_int("transB", 0):
        array = array.T
    array = (node.attributes.get_float("alpha", 1.0) * array).astype(np.float32)
    bias = to.argument(node, 2, "bias")
    shift = np.zeros(len(array), np.float32)
    if bias is not None:
        shift += node.attributes.get_float("beta", 1.0) * bias.reshape(-1)
    inputs = [
        to.read(source),
        to.constant(weight.name or "", array),
        to.constant(f"{result.name}.bias", shift),
    ]
    activation = to.activation(node)
    kind = "FullyConnectedOptions"
    outputs = [to.write(result)]
    to.emit("FULLY_CONNECTED", inputs, outputs, kind, fusedActivationFunction=activation)
