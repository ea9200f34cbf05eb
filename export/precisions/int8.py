"""Precision `int8`, as ONNX Runtime runs it fastest on a CPU.

Activations are uint8 with a scale and one of two zero points: 0 for those that are never negative,
the middle for the others. So a ReLU before them is the quantiser's own lower end and disappears.
Weights keep to seven bits: processors without dot-product instructions add two products in 16 bits,
and eight bits would overflow there, silently and only there.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray

from calexnet.export.precisions.qdq import quantise


def narrow(plain: onnx.ModelProto, images: NDArray[np.generic]) -> onnx.ModelProto:
    """See `calexnet.export.precisions.narrow`."""
    options = {"ActivationRestrictedAsymmetric": True}
    return quantise(plain, images, "QUInt8", reduce_range=True, extra_options=options)
