"""MACs of any TFLite file, from the shapes of its operators as an interpreter knows them.

They count as in ONNX graphs (`calexnet.export.graph.counts`): convolutions and matrix products, one
fused multiply-add as one.
"""

from __future__ import annotations

from math import isqrt, prod
from typing import Any

from calexnet.runtimes.tflite.library import interpreter_module

#: Operator -> which of its inputs the weight is, and the tensor that has the positions it is laid
#: on: an output, or for a transposed convolution an input.
_CONVOLUTIONS = {
    "CONV_2D": (1, "outputs", 0),
    "DEPTHWISE_CONV_2D": (1, "outputs", 0),
    "TRANSPOSE_CONV": (1, "inputs", 2),
}
_LINEAR = "FULLY_CONNECTED"
_PRODUCT = "BATCH_MATMUL"

#: They multiply too, or may hold what does.
_UNCOUNTED = frozenset(
    [
        *("BIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_RNN", "CONV_3D"),
        *("CONV_3D_TRANSPOSE", "CUSTOM", "IF", "LSTM", "RNN", "SVDF", "WHILE"),
        *("UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN"),
    ]
)


def count_macs(data: bytes) -> tuple[int, tuple[str, ...]]:
    """Return the MACs of a file, and its operators whose MACs are missing in that.

    For one image, or for the batch that the file is made for.

    Args:
        data: The file's content, which the runtime has read before.
    """
    _, module = interpreter_module()
    interpreter = module.Interpreter(model_content=data)
    interpreter.allocate_tensors()
    shapes = {d["index"]: tuple(map(int, d["shape"])) for d in interpreter.get_tensor_details()}
    operators = interpreter._get_ops_details()
    missing = {operator["op_name"] for operator in operators} & _UNCOUNTED
    return sum(_macs(operator, shapes) for operator in operators), tuple(sorted(missing))


def _macs(operator: Any, shapes: dict[int, tuple[int, ...]]) -> int:
    name, inputs = operator["op_name"], operator["inputs"]
    if name in _CONVOLUTIONS:
        weight, side, place = _CONVOLUTIONS[name]
        samples, *positions, _ = shapes[operator[side][place]]
        return samples * prod(positions) * prod(shapes[inputs[weight]])
    if name == _LINEAR:
        return prod(shapes[operator["outputs"][0]]) * shapes[inputs[1]][-1]
    if name == _PRODUCT:
        out = shapes[operator["outputs"][0]]
        return prod(out) * _shared(shapes[inputs[0]], shapes[inputs[1]], out)
    return 0


def _shared(one: tuple[int, ...], other: tuple[int, ...], out: tuple[int, ...]) -> int:
    """Return the axis that two matrices are multiplied over, turned or not: (m k)(k n) / (m n)."""
    return isqrt(prod(one[-2:]) * prod(other[-2:]) // prod(out[-2:]))
