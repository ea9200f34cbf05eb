"""A small network on the grid for mobile ones: two depthwise-separable convolutions. Needs torch.

Ours, not the paper's: the strided head with each 3x3 convolution of stride 2 as a depthwise one and
a 1x1 one, the unit that mobile networks consist of (Howard et al., "MobileNets", 2017), at an
eighth of its products or less. Where the whole network is made of them, the strided head would cost
as much as stages do.
"""

from __future__ import annotations

from torch import nn

from calexnet.training.heads.strided import StridedHead


def _separable(channels: int, width: int) -> tuple[nn.Module, ...]:
    """Return layers that halve a map's sides: a convolution in each channel, then across them."""
    within = nn.Conv2d(channels, channels, 3, stride=2, padding=1, groups=channels, bias=False)
    across = nn.Conv2d(channels, width, 1, bias=False)
    return within, nn.BatchNorm2d(channels), across, nn.BatchNorm2d(width), nn.ReLU()


class SeparableHead(StridedHead):
    """9 (C + w) + w (C + v) + 2 (C + 2 w + v) + 2 v x classes + classes parameters.

    Here w = 2 C and v = 4 C, each 128 at most, fewer if it is narrowed.
    """

    unit = staticmethod(_separable)
