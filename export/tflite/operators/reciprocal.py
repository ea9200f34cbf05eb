"""Reciprocal."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write 1 / x."""
    result = node.outputs[0]
    inputs = [to.scalar(f"{result.name}.one", 1.0), to.read(node.inputs[0])]
    to.emit("DIV", inputs, [to.write(result)], "DivOptions")
