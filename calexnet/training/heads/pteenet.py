"""PTEENet's ``conv2`` head: two 3x3 convolutions with batch norm, then the average. Needs torch.

After the code of Lahiany & Aperstein, "PTEENet", IEEE Access 2022. Its confidence layer is the
method's (`calexnet.training.methods.pteenet`), since it serves any head.
"""

from __future__ import annotations

from torch import Tensor, nn

from calexnet.training.heads.base import MapHead


class PteenetHead(MapHead):
    """18 C^2 + 4 C + C x classes + classes parameters."""

    def __init__(self, feature_shape: tuple[int, ...], classes: int) -> None:
        channels = feature_shape[0]
        super().__init__(feature_shape, classes, width=channels)
        self.body = nn.Sequential(*_block(channels), *_block(channels))

    def embed(self, reduced: Tensor) -> Tensor:
        """Return the mean of each channel, ``(n, C)``, of a map ``(n, C, H, W)``."""
        pooled: Tensor = self.body(reduced).mean((2, 3))
        return pooled


def _block(channels: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(channels), nn.ReLU()
