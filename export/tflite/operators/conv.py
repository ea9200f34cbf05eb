"""Conv: an ordinary, grouped or depthwise convolution."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.emitter import Emitter
from calexnet.export.tflite.quantisation import quantisation
from calexnet.export.tflite.values import constant
from calexnet.export.tflite.window import options, pad, window_of


def lower(node: ir.Node, to: Emitter) -> None:
    """Write CONV_2D, or DEPTHWISE_CONV_2D where each channel has its own kernels.

    Weights are ``(O, h, w, I)`` here; a depthwise convolution's become ``(1, h, w, O)``.
    """
    source, weight = node.inputs[0], node.inputs[1]
    array = constant(weight)
    assert source is not None
    assert weight is not None
    assert source.shape is not None
    if array is None:
        raise to.refuse(node, "computed weights", "constant ones")
    window = window_of(node, to, array.shape[1:3] if array.ndim == 4 else ())
    result = node.outputs[0]
    name = result.name or ""
    padded = to.read(source) if window.padding else pad(to, source, window, name)
    bias = to.argument(node, 2, "bias")
    shift = np.zeros(len(array), np.float32) if bias is None else bias
    fields = {
        **options(to, window),
        "dilationHFactor": window.dilations[0],
        "dilationWFactor": window.dilations[1],
        "fusedActivationFunction": to.activation(node),
    }
    channels, groups = source.shape[3], node.attributes.get_int("group", 1)
    if groups == channels and groups > 1:
        turned, found = array.transpose(3, 1, 2, 0), quantisation(weight)
        kernels = to.constant(f"{weight.name}.depthwise", turned, found and found.along(3))
        code, kind = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions"
        fields["depthMultiplier"] = len(array) // groups
    else:
        kernels, code, kind = to.read(weight), "CONV_2D", "Conv2DOptions"
    summed = quantisation(node.inputs[2]) if bias is not None else None
    inputs = [padded, kernels, to.constant(f"{name}.bias", shift, summed)]
    version = 2 if window.dilations != (1, 1) and code != "CONV_2D" else 1
    to.emit(code, inputs, [to.write(result)], kind, version, **fields)
