"""MaxPool."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.quantisation import quantisation
from calexnet.export.tflite.values import ACTIVATION
from calexnet.export.tflite.window import options, pad, window_of

#: What gives nothing below 0: padding with 0 then changes no maximum.
_NEVER_NEGATIVE = {"Abs", "Exp", "Relu", "Sigmoid", "Softmax"}
_CLAMPED = {"RELU", "RELU6"}


def lower(node: ir.Node, to: Emitter) -> None:
    """Write MAX_POOL_2D, after a pad if TFLite's own paddings do not fit."""
    source, result = node.inputs[0], node.outputs[0]
    assert source is not None
    window = window_of(node, to, node.attributes.get_ints("kernel_shape"))
    if window.dilations != (1, 1):
        raise to.refuse(node, f"dilations {window.dilations}", "dilations of 1")
    if len(node.outputs) > 1:
        raise to.refuse(node, "indices as a second output", "one output")
    padded = to.read(source)
    if not window.padding:
        filling = None if is_never_negative(source) else lowest(source)
        padded = pad(to, source, window, result.name or "", filling)
    to.emit(
        "MAX_POOL_2D",
        [padded],
        [to.write(result)],
        "Pool2DOptions",
        filterHeight=window.kernel[0],
        filterWidth=window.kernel[1],
        **options(to, window),
    )


def is_never_negative(value: ir.Value) -> bool:
    """Tell whether its integers, or what makes `value`, say that it is not below 0."""
    found = quantisation(value)
    if found is not None:
        return found.is_never_negative
    maker = value.producer()
    if maker is None:
        return False
    return maker.op_type in _NEVER_NEGATIVE or (
        maker.attributes.get_string(ACTIVATION, "") in _CLAMPED
    )


def lowest(value: ir.Value) -> NDArray[np.generic]:
    """Return what a maximum over `value` never picks: of its type, rank 0."""
    if quantisation(value) is not None:
        return np.array(np.iinfo(np.int8).min, np.int8)
    return np.array(np.finfo(np.float32).min, np.float32)
