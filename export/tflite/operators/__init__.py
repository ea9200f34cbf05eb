"""The operators that TFLite files are written from: one small file a lowering, all alike.

``lower(node, to)`` writes one ONNX node, on maps that are channels last already, to an `Emitter`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

    from calexnet.export.tflite.emitter import Emitter

_HERE = "calexnet.export.tflite.operators"

#: ONNX operator -> module with ``lower(node, to)``.
LOWERINGS = {
    "Abs": f"{_HERE}.unary",
    "Add": f"{_HERE}.arithmetic",
    "And": f"{_HERE}.binary",
    "ArgMax": f"{_HERE}.arg_max",
    "AveragePool": f"{_HERE}.average_pool",
    "BatchNormalization": f"{_HERE}.batch_normalization",
    "Cast": f"{_HERE}.cast",
    "Clip": f"{_HERE}.clip",
    "Concat": f"{_HERE}.concat",
    "Conv": f"{_HERE}.conv",
    "DequantizeLinear": f"{_HERE}.quantise",
    "Div": f"{_HERE}.arithmetic",
    "Dropout": f"{_HERE}.reshape",
    "Equal": f"{_HERE}.binary",
    "Exp": f"{_HERE}.unary",
    "Flatten": f"{_HERE}.reshape",
    "Floor": f"{_HERE}.unary",
    "Gather": f"{_HERE}.gather",
    "Gelu": f"{_HERE}.gelu",
    "Gemm": f"{_HERE}.gemm",
    "GlobalAveragePool": f"{_HERE}.global_average_pool",
    "GlobalMaxPool": f"{_HERE}.global_max_pool",
    "Greater": f"{_HERE}.binary",
    "GreaterOrEqual": f"{_HERE}.binary",
    "HardSigmoid": f"{_HERE}.hard_sigmoid",
    "HardSwish": f"{_HERE}.unary",
    "Identity": f"{_HERE}.reshape",
    "LayerNormalization": f"{_HERE}.layer_normalization",
    "LeakyRelu": f"{_HERE}.leaky_relu",
    "Less": f"{_HERE}.binary",
    "LessOrEqual": f"{_HERE}.binary",
    "Log": f"{_HERE}.unary",
    "LogSoftmax": f"{_HERE}.softmax",
    "MatMul": f"{_HERE}.matmul",
    "Max": f"{_HERE}.fold",
    "MaxPool": f"{_HERE}.max_pool",
    "Min": f"{_HERE}.fold",
    "Mul": f"{_HERE}.arithmetic",
    "Neg": f"{_HERE}.unary",
    "Not": f"{_HERE}.unary",
    "Or": f"{_HERE}.binary",
    "PRelu": f"{_HERE}.prelu",
    "Pad": f"{_HERE}.pad",
    "Pow": f"{_HERE}.binary",
    "QuantizeLinear": f"{_HERE}.quantise",
    "Reciprocal": f"{_HERE}.reciprocal",
    "ReduceL2": f"{_HERE}.reduce_l2",
    "ReduceMax": f"{_HERE}.reduce",
    "ReduceMean": f"{_HERE}.reduce",
    "ReduceMin": f"{_HERE}.reduce",
    "ReduceSum": f"{_HERE}.reduce",
    "Relu": f"{_HERE}.unary",
    "Reshape": f"{_HERE}.reshape",
    "Sigmoid": f"{_HERE}.unary",
    "Slice": f"{_HERE}.slice",
    "Softmax": f"{_HERE}.softmax",
    "Split": f"{_HERE}.split",
    "Sqrt": f"{_HERE}.unary",
    "Squeeze": f"{_HERE}.reshape",
    "Sub": f"{_HERE}.arithmetic",
    "Sum": f"{_HERE}.fold",
    "Tanh": f"{_HERE}.unary",
    "TopK": f"{_HERE}.top_k",
    "Transpose": f"{_HERE}.transpose",
    "Unsqueeze": f"{_HERE}.reshape",
    "Where": f"{_HERE}.where",
}


@cache
def lowering(operator: str) -> Callable[[ir.Node, Emitter], None]:
    """Return what writes `operator`, one of `LOWERINGS`."""
    lower: Callable[[ir.Node, Emitter], None] = import_module(LOWERINGS[operator]).lower
    return lower
