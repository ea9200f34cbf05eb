"""A model that computes in half precision, written in single: its weights as they are."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from calexnet.export.intake.reading import nodes

_HALF, _SINGLE = onnx.TensorProto.FLOAT16, onnx.TensorProto.FLOAT


def widen(model: onnx.ModelProto) -> bool:
    """Turn all float16 of `model` into float32, in place; return whether there was any."""
    graph = model.graph
    stored = [*graph.initializer]
    found = False
    for node in nodes(graph):
        for attribute in node.attribute:
            stored += [attribute.t, *attribute.tensors, *attribute.g.initializer]
            if attribute.name in ("to", "dtype") and attribute.i == _HALF:
                attribute.i, found = _SINGLE, True
    for tensor in stored:
        if tensor.data_type == _HALF:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
            found = True
    for value in (*graph.input, *graph.output):
        if value.type.tensor_type.elem_type == _HALF:
            value.type.tensor_type.elem_type, found = _SINGLE, True
    del graph.value_info[:]  # they follow from the rest
    return found
