"""Zero Time Waste's internal classifier: one 3x3 convolution and a learned pooling. Needs torch.

After the CIFAR code of Wolczyk et al., "Zero Time Waste", NeurIPS 2021: convolution and ReLU, then
SDN pooling to 4 x 4, a learned mix of maximum and mean. Its link to the previous classifier is the
method's (`calexnet.training.methods.ztw`), since it serves any head.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from calexnet.training.heads.base import MapHead

SIDE = 4


class ZtwHead(MapHead):
    """9 C w + w + 1 + 16 w x classes + classes parameters, fewer where the map is under 4 x 4.

    w = C, unless it is narrowed.
    """

    def __init__(
        self, feature_shape: tuple[int, ...], classes: int, most: int | None = None
    ) -> None:
        channels, *sides = feature_shape
        width = most or channels
        cell = [max(1, side // SIDE) for side in sides]
        positions = math.prod(side // step for side, step in zip(sides, cell, strict=True))
        super().__init__(feature_shape, classes, width=width * positions)
        self.cell = tuple(cell)
        self.convolution = nn.Conv2d(channels, width, 3, padding=1)
        self.mix = nn.Parameter(torch.tensor([0.5]))

    @classmethod
    def own_width(cls, feature_shape: tuple[int, ...]) -> int:
        """See `Head.own_width`."""
        return feature_shape[0]

    def embed(self, reduced: Tensor) -> Tensor:
        """Return the pooled responses, ``(n, w x 16)``, of a map ``(n, C, H, W)``."""
        responses = functional.relu(self.convolution(reduced))
        strongest = functional.max_pool2d(responses, self.cell)
        mean = functional.avg_pool2d(responses, self.cell)
        return (self.mix * strongest + (1.0 - self.mix) * mean).flatten(1)
