"""What a method is: its branches, and how they learn from cached features. Needs torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.gating import ExitTable
from calexnet.registry import Part
from calexnet.rules.base import Rule
from calexnet.training.branches import Answer, Branch, answers
from calexnet.training.features import Features, tensor
from calexnet.training.heads.base import Head
from calexnet.training.methods.fitting import Rows, fit
from calexnet.training.spec import Optimisation

Floats = NDArray[np.float32]
_BATCH = 512

#: Training samples that heads see before the first step.
_STARTERS = 64


@dataclass(frozen=True)
class Task:
    """What a method is given to train its branches.

    Attributes:
        attach: Names of the attach points, for messages.
        train: Features to train on.
        calibration: Features to find thresholds on. Their labels are never trained on; where a
            method needs thresholds between branches, they say how much a sample counts later.
        rule: Finds thresholds.
        setting: The rule's, while training.
        optimisation: How long and how fast to learn.
        costs: MACs spent up to and including each exit, its own head only, as a share of the
            backbone's: float64 ``(exits,)``; the last is 1.
    """

    attach: tuple[str, ...]
    train: Features
    calibration: Features
    rule: Rule
    setting: float
    optimisation: Optimisation
    costs: NDArray[np.float64]

    @property
    def classes(self) -> int:
        """Number of classes."""
        return int(self.train.logits.shape[1])


@dataclass(frozen=True)
class Outcome:
    """What training came to, for each branch; ``None`` where nothing was trained.

    Attributes:
        losses: Last epoch's mean loss.
        effective_samples: ``(sum w)^2 / sum w^2`` of the training weights.
    """

    losses: tuple[float | None, ...]
    effective_samples: tuple[float | None, ...]


@dataclass(frozen=True)
class Method(ABC):
    """A way to train, link and score branches, with its switches as fields.

    Attributes:
        native_head: The head of its own publication.
        default_rule: How its thresholds are found unless told otherwise.
    """

    native_head: ClassVar[str]
    default_rule: ClassVar[Part]

    @property
    def sees_setting(self) -> bool:
        """Whether its training depends on the rule's setting; if not, a sweep trains it once."""
        return True

    def branches(self, heads: Sequence[Head], score: nn.Module | None) -> tuple[Branch, ...]:
        """Return a fresh branch for each head."""
        return tuple(Branch(head, score) for head in heads)

    @abstractmethod
    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place.

        Raises:
            TrainingError: A loss is not finite.
        """


def start(branches: Sequence[Branch], task: Task) -> None:
    """Set the heads' starting weights from some of the training samples."""
    generator = torch.Generator().manual_seed(task.optimisation.seed)
    drawn = torch.randperm(len(task.train), generator=generator)[:_STARTERS].numpy()
    for branch, reduced in zip(branches, task.train.reduced, strict=True):
        branch.head.initialise(tensor(reduced, np.sort(drawn)))


def together(
    branches: Sequence[Branch],
    task: Task,
    loss_of: Callable[[list[Answer], Rows], Tensor],
    what: str,
) -> Outcome:
    """Train all branches at once, for methods whose branches learn from each other.

    Args:
        branches: In running order.
        task: What to train on.
        loss_of: Mean loss of all branches' answers for the samples at some rows.
        what: The method, shown as progress.
    """
    start(branches, task)
    reduced, count = task.train.reduced, len(task.train)

    def loss(rows: Rows) -> Tensor:
        said = answers(branches, [tensor(array, rows) for array in reduced])
        return loss_of(said, rows)

    found = fit(branches, loss, count, task.optimisation, f"training {what}, all branches")
    return Outcome((found,) * len(branches), (float(count),) * len(branches))


def in_batches(reduced: Sequence[Floats]) -> Iterator[list[Tensor]]:
    """Yield all branches' cached features a batch of samples at a time, in order."""
    count = len(reduced[0])
    for begin in range(0, count, _BATCH):
        rows = np.arange(begin, min(begin + _BATCH, count))
        yield [tensor(array, rows) for array in reduced]


def ask(branches: Sequence[Branch], reduced: Sequence[Floats]) -> tuple[NDArray[np.int32], Floats]:
    """Return what each branch answers for every sample: labels int32, scores float32 ``(k, n)``.

    Args:
        branches: In running order, with all that they read.
        reduced: For each, float32 ``(n, ...)``, its cached features.
    """
    for branch in branches:
        branch.eval()
    labels, scores = [], []
    with torch.inference_mode():
        for batch in in_batches(reduced):
            found = [answer.labels_and_scores() for answer in answers(branches, batch)]
            labels.append(torch.stack([f[0] for f in found]))
            scores.append(torch.stack([f[1] for f in found]))
    return torch.cat(labels, 1).numpy().astype(np.int32), torch.cat(scores, 1).numpy()


def exit_table(branches: Sequence[Branch], part: Features) -> ExitTable:
    """Return what every branch, and last the backbone, answers for the samples of `part`."""
    labels, scores = ask(branches, part.reduced)
    backbone = torch.softmax(torch.from_numpy(part.logits), dim=1).max(1)
    return ExitTable(
        np.vstack([labels, backbone.indices.numpy().astype(np.int32)]),
        np.vstack([scores, backbone.values.numpy()]),
    )
