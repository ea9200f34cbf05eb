"""TopK."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


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
    name = node.outputs[0].name
    tensor = to.read(source)
    if source.is_graph_input() or source.is_graph_output():
        # Their batch is open in the file, which TOPK_V2 takes badly (`FlatModel.finish`).
        tensor = to.like(source, f"{name}.planned")
        shape = to.numbers(f"{name}.shape", dims(source))
        to.emit("RESHAPE", [to.read(source), shape], [tensor])
    inputs = [tensor, to.constant(f"{name}.k", count.reshape(()))]
    to.emit("TOPK_V2", inputs, [to.write(value) for value in node.outputs], "TopKV2Options")
