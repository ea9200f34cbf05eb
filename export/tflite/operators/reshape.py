"""Reshape, Flatten, Squeeze, Unsqueeze: the same numbers under another shape."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write RESHAPE to the result's own shape, the batch left open."""
    reshaped(to, to.read(node.inputs[0]), node.outputs[0])


def reshaped(to: Emitter, tensor: int, result: ir.Value) -> None:
    """Write what gives `tensor` the shape of `result`."""
    shape = to.numbers(f"{result.name}.shape", dims(result))
    to.emit("RESHAPE", [tensor, shape], [to.write(result)])
