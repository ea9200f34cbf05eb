"""Concat."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write CONCATENATION."""
    inputs = [to.read(value) for value in node.inputs]
    axis = node.attributes.get_int("axis")
    to.emit("CONCATENATION", inputs, [to.write(node.outputs[0])], "ConcatenationOptions", axis=axis)
