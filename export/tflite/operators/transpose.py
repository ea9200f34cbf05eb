"""Transpose."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write TRANSPOSE."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    rank = len(dims(source))
    order = node.attributes.get_ints("perm", tuple(reversed(range(rank))))
    inputs = [to.read(source), to.numbers(f"{result.name}.order", order)]
    to.emit("TRANSPOSE", inputs, [to.write(result)], "TransposeOptions")
