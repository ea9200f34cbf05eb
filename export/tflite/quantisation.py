"""What the integers of a quantised tensor stand for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx_ir as ir

#: The integers are int8.
LOWEST, HIGHEST = -128, 127

_META = "quantisation"


@dataclass(frozen=True)
class Quantisation:
    """A number is ``scale * (integer - zero_point)``.

    Attributes:
        scale: float32 ``(1,)``, or one a channel.
        zero_point: int64, likewise.
        axis: Of the channels.
    """

    scale: NDArray[np.float32]
    zero_point: NDArray[np.int64]
    axis: int = 0

    @property
    def is_never_negative(self) -> bool:
        """Whether the lowest integer stands for 0."""
        return bool((self.zero_point == LOWEST).all())

    def along(self, axis: int) -> Quantisation:
        """Return the same with the channels on another axis."""
        return replace(self, axis=axis)

    def numbers(self, integers: NDArray[Any]) -> NDArray[np.float32]:
        """Return what `integers` stand for."""
        shape = [1] * integers.ndim
        if len(self.scale) > 1:
            shape[self.axis] = -1
        numbers = (integers - self.zero_point.reshape(shape)) * self.scale.reshape(shape)
        return numbers.astype(np.float32)

    def is_same(self, other: Quantisation | None) -> bool:
        """Tell whether integers mean the same under `other`."""
        return other is not None and all(
            np.array_equal(one, two)
            for one, two in ((self.scale, other.scale), (self.zero_point, other.zero_point))
        )


def quantisation(value: ir.Value | None) -> Quantisation | None:
    """Return what the integers of `value` stand for; ``None`` if they are numbers themselves."""
    found: Quantisation | None = None if value is None else value.meta.get(_META)
    return found


def note(value: ir.Value, found: Quantisation | None) -> None:
    """Note on `value` what its integers stand for."""
    if found is not None:
        value.meta[_META] = found
