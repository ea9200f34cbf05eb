"""ArgMax; of equal values the first wins, as in ONNX."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.operators.reshape import reshaped
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write ARG_MAX with int32 answers, and a reshape where the axis is kept."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    shape = dims(source)
    axis = node.attributes.get_int("axis", 0) % len(shape)
    if node.attributes.get_int("select_last_index", 0):
        raise to.refuse(node, "select_last_index", "the first of equal values")
    where = to.numbers(f"{result.name}.axis", [axis])
    options = {"outputType": to.number("TensorType", "INT32")}
    inputs = [to.read(source), where]
    if not node.attributes.get_int("keepdims", 1):
        to.emit("ARG_MAX", inputs, [to.write(result)], "ArgMaxOptions", **options)
        return
    found = to.scratch(f"{result.name}.dropped", (*shape[:axis], *shape[axis + 1 :]), result)
    to.emit("ARG_MAX", inputs, [found], "ArgMaxOptions", **options)
    reshaped(to, found, result)
