"""The linear probe: global average pooling and one linear layer. Needs torch."""

from __future__ import annotations

from torch import Tensor

from calexnet.training.heads.base import Head


class LinearHead(Head):
    """C x classes + classes parameters."""

    def __init__(self, feature_shape: tuple[int, ...], classes: int) -> None:
        super().__init__(feature_shape, classes, width=feature_shape[0])

    def reduce(self, features: Tensor) -> Tensor:
        """Return the mean of each channel, ``(n, C)``."""
        return features.mean((2, 3)) if features.ndim == 4 else features

    def embed(self, reduced: Tensor) -> Tensor:
        """Return the means as they are, ``(n, C)``."""
        return reduced
