"""Slice with constant bounds, forwards or backwards."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims

_MOST = 2**31 - 1


def lower(node: ir.Node, to: Emitter) -> None:
    """Write STRIDED_SLICE; whole axes are left open, the batch among them."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    shape = dims(source)
    starts, ends, axes, steps = (
        to.argument(node, index, what)
        for index, what in enumerate(("start", "end", "axis", "step"), start=1)
    )
    assert starts is not None
    assert ends is not None
    assert axes is not None
    begin, end, step = [0] * len(shape), [0] * len(shape), [1] * len(shape)
    open_begin = open_end = (1 << len(shape)) - 1
    for position, axis in enumerate(axes.tolist()):
        first, last = int(starts[position]), int(ends[position])
        by = 1 if steps is None else int(steps[position])
        if shape[axis] < 0:
            if (first, by) != (0, 1) or last < _MOST:
                raise to.refuse(node, "a part of the batch", "all of it")
            continue
        begin[axis], end[axis], step[axis] = slice(first, last, by).indices(shape[axis])
        open_begin &= ~(1 << axis)
        if end[axis] >= 0:  # backwards down to the first, the end lies before it
            open_end &= ~(1 << axis)
    name = result.name
    bounds = [to.numbers(f"{name}.{w}", v) for w, v in (("b", begin), ("e", end), ("s", step))]
    to.emit(
        "STRIDED_SLICE",
        [to.read(source), *bounds],
        [to.write(result)],
        "StridedSliceOptions",
        beginMask=open_begin,
        endMask=open_end,
    )
