"""What a branch head is: a fixed reduction, a trained embedding, a linear layer. Needs torch."""

from __future__ import annotations

from abc import abstractmethod

import torch.nn.functional as functional
from torch import Tensor, nn

from calexnet.errors import InputError

#: About how many positions along a side are left of a map by `onto_grid`.
GRID = 8


class Head(nn.Module):
    """Class scores from features, in steps so that only the first's result is ever cached.

    `reduce` has no parameters: what it drops (for example all but the mean of each channel) is
    dropped once, before training, and never stored. `embed` is the trained part. A linear layer
    makes class scores of it; a method may put a layer of its own beside.

    Args:
        feature_shape: Shape of one sample's features, ``(C, H, W)`` or ``(C,)``.
        classes: Number of classes.
        width: Length of the embedding.
    """

    def __init__(self, feature_shape: tuple[int, ...], classes: int, width: int) -> None:
        super().__init__()
        self.feature_shape = feature_shape
        self.classes = classes
        self.width = width
        self.linear = nn.Linear(width, classes)

    @classmethod
    def own_width(cls, feature_shape: tuple[int, ...]) -> int | None:
        """Return how many channels it has inside unless it is narrowed, at its widest place.

        ``None`` = it cannot be narrowed. Who returns a number takes ``most``, the most channels
        inside, as a third argument.
        """
        return None

    @abstractmethod
    def reduce(self, features: Tensor) -> Tensor:
        """Return what the trained part needs of float32 features ``(n, *feature_shape)``."""

    @abstractmethod
    def embed(self, reduced: Tensor) -> Tensor:
        """Return the embedding ``(n, width)`` of what `reduce` returned."""

    def initialise(self, reduced: Tensor) -> None:
        """Set starting weights from the reduced features of some training samples, if it helps."""

    def classify(self, reduced: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` from what `reduce` returned."""
        logits: Tensor = self.linear(self.embed(reduced))
        return logits

    def forward(self, features: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` for float32 features ``(n, *feature_shape)``."""
        return self.classify(self.reduce(features))


def onto_grid(features: Tensor) -> Tensor:
    """Return maps ``(n, C, H, W)`` averaged onto a grid of about 8 x 8 positions.

    What heads on it cost hardly depends on where they are attached, and cached features are small.
    """
    cell = max(1, min(features.shape[2:]) // GRID)
    return functional.avg_pool2d(features, cell) if cell > 1 else features


class MapHead(Head):
    """A head that convolves, so it needs a feature map: the whole one, if it does not say other.

    Raises:
        InputError: The features are a vector.
    """

    def __init__(self, feature_shape: tuple[int, ...], classes: int, width: int) -> None:
        if len(feature_shape) != 3:
            raise InputError(
                f"a {type(self).__name__} cannot be attached here",
                got=f"features of shape {feature_shape}",
                expected="a feature map (C, H, W)",
                fix="Choose --head linear or prototype, or attach it earlier",
            )
        super().__init__(feature_shape, classes, width)

    def reduce(self, features: Tensor) -> Tensor:
        """Return the map as it is."""
        return features
