"""Clip: a clamp of its own where TFLite has one, else a maximum and a minimum."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.passes.fuse import clamp_of


def lower(node: ir.Node, to: Emitter) -> None:
    """Write one operator, or one for each bound."""
    result = node.outputs[0]
    value, name = to.read(node.inputs[0]), result.name or ""
    clamp = clamp_of(node)
    if clamp is not None:
        to.emit(clamp, [value], [to.write(result)])
        return
    low, high = (to.argument(node, index, "bound") for index in (1, 2))
    steps = [(c, b) for c, b in (("MAXIMUM", low), ("MINIMUM", high)) if b is not None]
    if not steps:
        raise to.refuse(node, "no bound", "min, max or both")
    for code, bound in steps:
        last = bound is steps[-1][1]
        after = to.write(result) if last else to.like(result, f"{name}.{code.lower()}")
        limit = to.constant(f"{name}.{code.lower()}.bound", bound.reshape(()))
        to.emit(code, [value, limit], [after])
        value = after
