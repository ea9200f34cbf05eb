"""Split."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write SPLIT_V with the parts' own sizes."""
    name = node.outputs[0].name
    axis = node.attributes.get_int("axis")
    sizes = [dims(value)[axis] for value in node.outputs]
    if min(sizes) < 0:
        raise to.refuse(node, "a part of the batch", "all of it")
    inputs = [
        to.read(node.inputs[0]),
        to.numbers(f"{name}.sizes", sizes),
        to.numbers(f"{name}.axis", [axis]),
    ]
    outputs = [to.write(value) for value in node.outputs]
    to.emit("SPLIT_V", inputs, outputs, "SplitVOptions", numSplits=len(outputs))
