"""Gelu, exact or by its tangent form."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator of the same meaning."""
    approximate = node.attributes.get_string("approximate", "none") == "tanh"
    inputs, outputs = [to.read(node.inputs[0])], [to.write(node.outputs[0])]
    to.emit("GELU", inputs, outputs, "GeluOptions", approximate=approximate)
