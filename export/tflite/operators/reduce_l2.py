"""ReduceL2 over constant axes."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the root of the sum of squares."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    squared = to.like(source, f"{result.name}.squared")
    total = to.scratch(f"{result.name}.total", dims(result), source)
    keeps = node.attributes.get_int("keepdims", 1) == 1
    value, axes = to.read(source), to.read(node.inputs[1])
    to.emit("MUL", [value, value], [squared], "MulOptions")
    to.emit("SUM", [squared, axes], [total], "ReducerOptions", keepDims=keeps)
    to.emit("SQRT", [total], [to.write(result)])
