"""Confidence scores by name: from class scores to one number a sample. Needs torch.

``softmax``, the largest probability, is what segments compute unless told otherwise and has no
class here. The others, and the user's own ``package.module:Class``, are modules from logits
``(n, classes)`` to scores ``(n,)``, exported with the branch.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from calexnet import registry
from calexnet.errors import InputError
from calexnet.registry import BUILT_IN_ONLY, Allowed

SOFTMAX = "softmax"

#: name -> "module:Class"
SCORES = {
    "gap": "calexnet.training.scores:Gap",
    "entropy": "calexnet.training.scores:Entropy",
}


def build(name: str, allow: Allowed = BUILT_IN_ONLY) -> nn.Module | None:
    """Return the score's module, ``None`` for the softmax that every segment computes anyway.

    Args:
        name: ``softmax``, one of `SCORES`, or one's own.
        allow: Whose own ones may be imported.

    Raises:
        InputError: Unknown name, or something that is no module.
    """
    if name == SOFTMAX:
        return None
    cls = registry.find(name, {SOFTMAX: "", **SCORES}, "score", allow)
    if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
        raise InputError(f"{name} is no score", got=repr(cls), expected="a torch.nn.Module class")
    return cls()


class Gap(nn.Module):
    """The gap between the two largest probabilities, 0..1."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return scores ``(n,)`` of logits ``(n, classes)``."""
        two = torch.softmax(logits, 1).topk(2, 1).values
        return two[:, 0] - two[:, 1]


class Entropy(nn.Module):
    """1 - H(p) / log(classes): 1 when sure, 0 when all classes are alike (BranchyNet's measure)."""

    def forward(self, logits: Tensor) -> Tensor:
        """Return scores ``(n,)`` of logits ``(n, classes)``."""
        surprise = torch.softmax(logits, 1) * torch.log_softmax(logits, 1)
        return 1.0 + surprise.sum(1) / math.log(logits.shape[1])
