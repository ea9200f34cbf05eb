"""Max, Min and Sum: any number of tensors in ONNX, two at a time in TFLite."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter

CODES = {"Max": "MAXIMUM", "Min": "MINIMUM", "Sum": "ADD"}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write one operator for each tensor after the first."""
    result, (first, *others) = node.outputs[0], node.inputs
    if not others:
        raise to.refuse(node, "one input", "two or more")
    so_far = to.read(first)
    for number, value in enumerate(others, start=1):
        inputs = [so_far, to.read(value)]
        last = number == len(others)
        # On the way the shape may be smaller than at the end: every step is stretched to it.
        so_far = to.write(result) if last else to.like(result, f"{result.name}.{number}")
        to.emit(CODES[node.op_type], inputs, [so_far])
