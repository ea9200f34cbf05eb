"""The pass for graphs in float16: weights stay half as large, and are read as float32.

TFLite computes in float32 from weights kept in float16; so does every processor that has no
half-precision arithmetic. What crosses a cut is float32 then.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from calexnet.export.tflite.values import constant

_FULL, _HALF = ir.DataType.FLOAT, ir.DataType.FLOAT16


def compute_in_full(graph: ir.Graph) -> None:
    """Turn what is computed in float16 into float32, in place; of constants only small ones."""
    for value in (*graph.inputs, *(v for node in graph for v in node.outputs)):
        if value.dtype == _HALF:
            value.dtype = _FULL
    for node in graph:
        if node.op_type == "Cast" and node.attributes.get_int("to", 0) == int(_HALF):
            node.attributes["to"] = ir.AttrInt64("to", int(_FULL))
    for value in graph.initializers.values():
        array = constant(value)
        if array is not None and array.dtype == np.float16 and array.ndim < 2:
            value.const_value = ir.tensor(array.astype(np.float32), name=value.name)
            value.dtype = _FULL
