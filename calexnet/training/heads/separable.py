"""A small network on the grid for mobile ones: two depthwise-separable convolutions. Needs torch.

Ours, not the paper's: the strided head with each 3x3 convolution of stride 2 as a depthwise one and
a 1x1 one, the unit that mobile networks consist of (Howard et al., "MobileNets", 2017), at an
eighth of its products or less. Where the whole network is made of them, the strided head would cost
as much as stages do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from calexnet.training.heads.base import MapHead, onto_grid

#: Channels at most.
MOST = 128


class SeparableHead(MapHead):
    """9 (C + w) + w (C + v) + 2 (C + 2 w + v) + 2 v x classes + classes parameters.

    Here w = 2 C and v = 4 C, each 128 at most, fewer if it is narrowed.
    """

    def __init__(self, feature_shape: tuple[int, ...], classes: int, most: int = MOST) -> None:
        channels = feature_shape[0]
        first, second = min(2 * channels, most), min(4 * channels, most)
        super().__init__(feature_shape, classes, width=2 * second)
        self.body = nn.Sequential(*_separable(channels, first), *_separable(first, second))

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


def _separable(channels: int, width: int) -> tuple[nn.Module, ...]:
    """Return layers that halve a map's sides: a convolution in each channel, then across them."""
    within = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
    across = nn.Conv2d(channels, width, 1, bias=False)
    return within, nn.BatchNorm2d(channels), across, nn.BatchNorm2d(width), nn.ReLU()
