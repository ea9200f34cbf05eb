"""LeakyRelu."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write LEAKY_RELU."""
    alpha = node.attributes.get_float("alpha", 0.01)
    inputs, outputs = [to.read(node.inputs[0])], [to.write(node.outputs[0])]
    to.emit("LEAKY_RELU", inputs, outputs, "LeakyReluOptions", alpha=alpha)
