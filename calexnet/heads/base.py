"""What a branch head is: a fixed reduction of features, then a trained part. Needs torch."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class Head(nn.Module):
    """Class scores from features, in two steps so that only the first's result is ever cached.

    `reduce` has no parameters: what it drops (for example all but the mean of each channel) is
    dropped once, before training, and never stored.

    Args:
        feature_shape: Shape of one sample's features, ``(C, H, W)`` or ``(C,)``.
        classes: Number of classes.
    """

    def __init__(self, feature_shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.feature_shape = feature_shape
        self.classes = classes

    @abstractmethod
    def reduce(self, features: Tensor) -> Tensor:
        """Return what the trained part needs of float32 features ``(n, *feature_shape)``."""

    @abstractmethod
    def classify(self, reduced: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` from what `reduce` returned."""

    def initialise(self, reduced: Tensor) -> None:
        """Set starting weights from the reduced features of some training samples, if it helps."""

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` for float32 features ``(n, *feature_shape)``."""
        return self.classify(self.reduce(features))
