"""A head that is already trained: a module of the network itself. Needs torch."""

from __future__ import annotations

from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.training.heads.base import MapHead


class TrainedHead(MapHead):
    """One of the network's own exits, from features to logits, taken as it is."""

    def __init__(self, module: nn.Module, feature_shape: tuple[int, ...], classes: int) -> None:
        nn.Module.__init__(self)
        self.feature_shape, self.classes = feature_shape, classes
        self.module = module.requires_grad_(False)

    def embed(self, reduced: Tensor) -> Tensor:
        """Refuse: nobody knows what inside the module is an embedding.

        Raises:
            InputError: Always.
        """
        raise InputError(
            "a trained exit has no embedding",
            got=type(self.module).__name__,
            fix="Choose a method that reads logits only",
        )

    def classify(self, reduced: Tensor) -> Tensor:
        """Return the module's logits ``(n, classes)``."""
        logits: Tensor = self.module(reduced)
        return logits
