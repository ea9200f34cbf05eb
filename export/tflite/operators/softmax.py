"""Softmax and LogSoftmax, which TFLite has over the last axis only."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write the operator, between two transposes if its axis is not the last one."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    shape = dims(source)
    axis = node.attributes.get_int("axis", -1) % len(shape)
    if axis == len(shape) - 1:
        _emit(node, to, to.read(source), to.write(result))
        return
    # The axis and the last one change places, and afterwards back.
    order = list(range(len(shape)))
    order[axis], order[-1] = order[-1], order[axis]
    turned = [shape[a] for a in order]
    before, after = (to.scratch(f"{result.name}.{n}", turned, result) for n in ("in", "out"))
    perm = to.numbers(f"{result.name}.order", order)
    to.emit("TRANSPOSE", [to.read(source), perm], [before], "TransposeOptions")
    _emit(node, to, before, after)
    to.emit("TRANSPOSE", [after, perm], [to.write(result)], "TransposeOptions")


def _emit(node: ir.Node, to: Emitter, source: int, result: int) -> None:
    if node.op_type == "Softmax":
        to.emit("SOFTMAX", [source], [result], "SoftmaxOptions", beta=1.0)
    else:
        to.emit("LOG_SOFTMAX", [source], [result], "LogSoftmaxOptions")
