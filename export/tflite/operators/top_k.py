"""TopK."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.prepare import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write TOPK_V2, which gives the largest of the last axis, sorted."""
    source = node.inputs[0]
    assert source is not None
    count = to.argument(node, 1, "k")
    assert count is not None
    last = len(dims(source)) - 1
    if node.attributes.get_int("axis", -1) % (last + 1) != last:
        raise to.refuse(node, "an axis that is not the last", "the last axis")
    if not node.attributes.get_int("largest", 1):
        raise to.refuse(node, "the smallest", "the largest")
    inputs = [to.read(source), to.constant(f"{node.outputs[0].name}.k", count.reshape(()))]
    to.emit("TOPK_V2", inputs, [to.write(value) for value in node.outputs], "TopKV2Options")
