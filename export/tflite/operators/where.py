"""Where."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write SELECT_V2."""
    inputs = [to.read(value) for value in node.inputs]
    to.emit("SELECT_V2", inputs, [to.write(node.outputs[0])])
