"""BatchNormalization that no convolution has taken in."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write one multiplication and one addition a channel."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    if len(dims(source)) not in (2, 4):
        raise to.refuse(node, f"an input of rank {len(dims(source))}", "a vector or a map")
    gain, bias, mean, variance = (to.argument(node, index, "statistic") for index in range(1, 5))
    assert gain is not None
    assert bias is not None
    assert mean is not None
    assert variance is not None
    scale = gain / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
    name = result.name
    scaled = to.like(result, f"{name}.scaled")
    factor = to.constant(f"{name}.scale", scale.astype(np.float32))
    shift = to.constant(f"{name}.shift", (bias - mean * scale).astype(np.float32))
    to.emit("MUL", [to.read(source), factor], [scaled], "MulOptions")
    to.emit("ADD", [scaled, shift], [to.write(result)], "AddOptions")
