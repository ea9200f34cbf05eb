"""PTEENet's ``conv2`` head: two 3x3 convolutions with batch norm, then the average. Needs torch.

After the code of Lahiany & Aperstein, "PTEENet", IEEE Access 2022. Its confidence layer is the
method's (`calexnet.training.methods.pteenet`), since it serves any head.
"""

from __future__ import annotations

from torch import Tensor, nn

from calexnet.training.heads.base import MapHead


class PteenetHead(MapHead):
    """9 w (C + w) + 4 w + w x classes + classes parameters; w = C, unless it is narrowed."""

    def __init__(
        self, feature_shape: tuple[int, ...], classes: int, most: int | None = None
    ) -> None:
        channels = feature_shape[0]
        width = most or channels
        super().__init__(feature_shape, classes, width)
        self.body = nn.Sequential(*_block(channels, width), *_block(width, width))

    @classmethod
    def own_width(cls, feature_shape: tuple[int, ...]) -> int:
        """See `Head.own_width`."""
        return feature_shape[0]

    def embed(self, reduced: Tensor) -> Tensor:
        """Return the mean of each channel, ``(n, w)``, of a map ``(n, C, H, W)``."""
        pooled: Tensor = self.body(reduced).mean((2, 3))
        return pooled


def _block(channels: int, width: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, width, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(width), nn.ReLU()
