"""Precision `int8-symmetric`: int8 about zero throughout, the only form TensorRT takes.

Biases stay float32, as TensorRT wants them. ONNX Runtime runs it too, slower than `int8`: there a
ReLU is no end of the range and stays a step of its own.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from calexnet.export.precisions.qdq import quantise


def narrow(plain: onnx.ModelProto, images: NDArray[np.generic]) -> onnx.ModelProto:
    """See `calexnet.export.precisions.narrow`."""
    options = {"ActivationSymmetric": True, "QuantizeBias": False}
    return quantise(plain, images, "QInt8", extra_options=options)
