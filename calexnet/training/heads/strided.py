"""A small network of its own on the grid: two 3x3 convolutions of stride 2. Needs torch.

Ours, not the paper's: for stages of few channels, whose features no linear layer can read yet. Each
convolution halves the grid and doubles the channels, as the backbone's later stages would, to 128
at most; then, as in the prototype head, the average is augmented by the strongest responses.
BoostNet's classifier does the same on the whole map, with 128 always and the average alone; on a
ResNet-20's 16 channels the grid reads as well as the whole map, at a sixth of the cost
(docs/results.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from calexnet.training.heads.base import MapHead, onto_grid
from calexnet.training.heads.boostnet import halving

#: Channels at most.
MOST = 128


class StridedHead(MapHead):
    """9 w (C + v) + 2 (w + v) + 2 v x classes + classes parameters.

    Here w = 2 C and v = 4 C, each 128 at most, fewer if it is narrowed.
    """

    #: Layers from so many channels to so many that halve a map's sides.
    unit = staticmethod(halving)

    def __init__(self, feature_shape: tuple[int, ...], classes: int, most: int = MOST) -> None:
        channels = feature_shape[0]
        first, second = min(2 * channels, most), min(4 * channels, most)
        super().__init__(feature_shape, classes, width=2 * second)
        self.body = nn.Sequential(*self.unit(channels, first), *self.unit(first, second))

    @classmethod
    def own_width(cls, feature_shape: tuple[int, ...]) -> int:
        """See `Head.own_width`."""
        return min(4 * feature_shape[0], MOST)

    def reduce(self, features: Tensor) -> Tensor:
        """Return the map on its grid, ``(n, C, ~8, ~8)``."""
        return onto_grid(features)

    def embed(self, reduced: Tensor) -> Tensor:
        """Return average and strongest responses, ``(n, 2 v)``, of ``(n, C, ~8, ~8)``."""
        responses = self.body(reduced)
        return torch.cat([responses.mean((2, 3)), responses.amax((2, 3))], 1)
