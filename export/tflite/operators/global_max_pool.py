"""GlobalMaxPool."""

from __future__ import annotations

import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.values import dims


def lower(node: ir.Node, to: Emitter) -> None:
    """Write MAX_POOL_2D with a window as large as the map."""
    source = node.inputs[0]
    assert source is not None
    _, height, width, _ = dims(source)
    to.emit(
        "MAX_POOL_2D",
        [to.read(source)],
        [to.write(node.outputs[0])],
        "Pool2DOptions",
        padding=to.number("Padding", "VALID"),
        strideH=height,
        strideW=width,
        filterHeight=height,
        filterWidth=width,
    )
