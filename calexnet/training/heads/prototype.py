"""Augmented prototype pooling, as reconstructed. Needs torch.

The CalexNet paper names the head but its definition has not been seen. This reconstruction meets
the one constraint known of it, its size (at most 38 k parameters over the three branches of a
ResNet-18 with 20 classes)::

    F      = features, averaged onto a grid of about 8 x 8 positions
    s_m(u) = <F_u, p_m>                    response of prototype m at position u
    z      = [mean_u F_u ; max_u s_m(u)]   the average, augmented by the strongest responses
    logits = W z + b

The grid is ours: it makes early heads nearly free, their cached features small, and on the digits
it raised the first branch's accuracy.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from calexnet.training.heads.base import Head, onto_grid

PROTOTYPES = 32


class PrototypeHead(Head):
    """C x P + (C + P) x classes + classes parameters: a 1x1 convolution and a linear layer.

    P = 32 prototypes, unless it is narrowed.
    """

    def __init__(
        self, feature_shape: tuple[int, ...], classes: int, most: int = PROTOTYPES
    ) -> None:
        channels = feature_shape[0]
        super().__init__(feature_shape, classes, width=channels + most)
        self.prototypes = nn.Conv2d(channels, most, 1, bias=False)

    @classmethod
    def own_width(cls, feature_shape: tuple[int, ...]) -> int:
        """See `Head.own_width`."""
        return PROTOTYPES

    def reduce(self, features: Tensor) -> Tensor:
        """Return the map on its grid, ``(n, C, ~8, ~8)``; a vector is a map of one position."""
        if features.ndim == 2:
            return features[:, :, None, None]
        return onto_grid(features)

    def initialise(self, reduced: Tensor) -> None:
        """Start each prototype as the direction of a feature drawn from the training samples."""
        positions = reduced.permute(0, 2, 3, 1).flatten(0, 2)
        drawn = positions[torch.randint(len(positions), (self.prototypes.out_channels,))]
        centred = drawn - positions.mean(0)
        unit = centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-6)
        with torch.no_grad():
            self.prototypes.weight.copy_(unit[:, :, None, None])

    def embed(self, reduced: Tensor) -> Tensor:
        """Return average and strongest responses, ``(n, C + P)``, of a map ``(n, C, H, W)``."""
        mean = reduced.mean((2, 3), keepdim=True)
        strongest = self.prototypes(reduced).amax((2, 3), keepdim=True)
        return torch.cat([mean, strongest], 1).flatten(1)
