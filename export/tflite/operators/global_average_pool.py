"""GlobalAveragePool."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter


def lower(node: ir.Node, to: Emitter) -> None:
    """Write MEAN over height and width, which XNNPACK runs as a global pool."""
    result = node.outputs[0]
    axes = to.numbers(f"{result.name}.axes", [1, 2])
    inputs = [to.read(node.inputs[0]), axes]
    to.emit("MEAN", inputs, [to.write(result)], "ReducerOptions", keepDims=True)
