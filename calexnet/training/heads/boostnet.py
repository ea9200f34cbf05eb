"""MSDNet's classifier, which BoostNet uses: two 3x3 convolutions of stride 2. Needs torch.

After the code of Yu et al., "Boosted Dynamic Neural Networks", AAAI 2023: [3x3 convolution of
stride 2 to 128 channels, batch norm, ReLU] twice, then the average. MSDNet averages 2 x 2; here it
is over what is left of the map, which is the same where 8 x 8 comes in.
"""

from __future__ import annotations

from torch import Tensor, nn

from calexnet.training.heads.base import MapHead

CHANNELS = 128


class BoostNetHead(MapHead):
    """9 w (C + w) + 4 w + w x classes + classes parameters; w = 128, unless it is narrowed."""

    def __init__(self, feature_shape: tuple[int, ...], classes: int, most: int = CHANNELS) -> None:
        super().__init__(feature_shape, classes, width=most)
        self.body = nn.Sequential(*halving(feature_shape[0], most), *halving(most, most))

    @classmethod
    def own_width(cls, feature_shape: tuple[int, ...]) -> int:
        """See `Head.own_width`."""
        return CHANNELS

    def embed(self, reduced: Tensor) -> Tensor:
        """Return the mean of each channel, ``(n, w)``, of a map ``(n, C, H, W)``."""
        pooled: Tensor = self.body(reduced).mean((2, 3))
        return pooled


def halving(channels: int, width: int) -> tuple[nn.Module, ...]:
    """Return layers that halve a map's sides: a convolution to `width` channels, norm and ReLU."""
    convolution = nn.Conv2d(channels, width, 3, stride=2, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU()
