"""What stands at an attach point: a head, its link to earlier branches, a score. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from calexnet.training.heads.base import Head


class Answer(NamedTuple):
    """What a branch says of a batch.

    Attributes:
        logits: float32 ``(n, classes)``; its largest is the label.
        score: float32 ``(n,)``; ``None`` = the largest probability.
        state: float32 ``(n, width)``, for later branches to read; ``None`` = nothing.
    """

    logits: Tensor
    score: Tensor | None
    state: Tensor | None

    def labels_and_scores(self) -> tuple[Tensor, Tensor]:
        """Return labels int64 ``(n,)`` and scores float32 ``(n,)``."""
        labels = self.logits.argmax(1)
        if self.score is not None:
            return labels, self.score
        return labels, torch.softmax(self.logits, 1).amax(1)


class Branch(nn.Module):
    """A branch whose logits are its head's alone. Methods derive others.

    Args:
        head: Class scores from features.
        score: Confidence from logits; ``None`` = the largest probability.
        reads: Indices (from 0) of the earlier branches whose state it takes, in rising order.
    """

    def __init__(
        self, head: Head, score: nn.Module | None = None, reads: Sequence[int] = ()
    ) -> None:
        super().__init__()
        self.head = head
        self.score = score
        self.reads = tuple(reads)

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.head.classes

    @property
    def state_width(self) -> int:
        """Length of one sample's state, 0 if it makes none."""
        return 0

    def answer(self, reduced: Tensor, earlier: Sequence[Tensor]) -> Answer:
        """Return what the branch says.

        Args:
            reduced: Features as ``head.reduce`` gives them.
            earlier: States of the branches in `reads`, float32 ``(n, width)`` each.
        """
        return self.scored(self.head.classify(reduced), None)

    def scored(self, logits: Tensor, state: Tensor | None) -> Answer:
        """Return the answer that `logits` make with this branch's score."""
        return Answer(logits, None if self.score is None else self.score(logits), state)

    def forward(self, features: Tensor, *earlier: Tensor) -> tuple[Tensor, ...]:
        """Return logits, then score and state where the branch has them: what is exported."""
        answer = self.answer(self.head.reduce(features), earlier)
        return tuple(tensor for tensor in answer if tensor is not None)


def answers(branches: Sequence[Branch], reduced: Sequence[Tensor]) -> list[Answer]:
    """Return what every branch says of the same samples, states handed on.

    Args:
        branches: In running order.
        reduced: For each, its features as its head reduces them.
    """
    said: list[Answer] = []
    for branch, features in zip(branches, reduced, strict=True):
        earlier = [said[k].state for k in branch.reads]
        said.append(branch.answer(features, [state for state in earlier if state is not None]))
    return said
