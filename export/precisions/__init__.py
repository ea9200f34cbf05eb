"""Narrower numbers: the trunk of a cascade in fp16 or int8; heads, scores and gates stay float32.

The plain backbone is narrowed once, on real images, and then cut where the cascade is cut. So plain
and cascade hold the very same numbers, and a tensor crosses a cut as narrow as it is inside.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

#: precision -> module whose ``narrow(plain, images)`` gives the plain backbone at that precision.
PRECISIONS = {
    "fp16": "calexnet.export.precisions.fp16",
    "int8": "calexnet.export.precisions.int8",
    "int8-symmetric": "calexnet.export.precisions.int8_symmetric",
}


def narrow(plain: onnx.ModelProto, precision: str, images: NDArray[Any]) -> onnx.ModelProto:
    """Return the plain backbone at `precision`; `plain` is not changed.

    Args:
        plain: ``image`` to ``logits`` and the answer, float32.
        precision: One of `PRECISIONS`.
        images: Real ones, as the graph takes them, to find activations' ranges on.
    """
    narrowed: onnx.ModelProto = import_module(PRECISIONS[precision]).narrow(plain, images)
    return narrowed
