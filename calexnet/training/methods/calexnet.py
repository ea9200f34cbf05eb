"""The CalexNet recipe: one branch after the other, each for the samples it will see. Needs torch.

After Aperstein & Apartsin, "CalexNet", 2026. For each branch in order:

1. train its head on the backbone's softmax (equation 10), weighted towards the samples that will
   reach it (equation 13);
2. find its thresholds on the calibration samples that reach it (equation 8);
3. weight the training samples by how likely they are to stay.

The equations themselves have not been seen. Each is a reconstruction and a named switch below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calexnet.errors import InputError
from calexnet.gating import ExitTable, passes
from calexnet.registry import Part
from calexnet.rules.base import reached
from calexnet.training.branches import Branch
from calexnet.training.features import Features, tensor
from calexnet.training.methods import losses
from calexnet.training.methods.base import Floats, Method, Outcome, Task, ask, start
from calexnet.training.methods.fitting import Rows, fit


@dataclass(frozen=True)
class CalexNet(Method):
    """Every switch of the recipe. None of the values but `temperature` is known to be the paper's.

    Attributes:
        target: What a branch learns: the backbone's whole softmax (``distillation``, the paper's),
            its answer (``argmax``) or the data's (``labels``).
        temperature: Of the distillation, T = 4 in the paper.
        label_share: Share of the loss that is cross-entropy against the data's labels, 0..1.
        soft_weights: Weight training samples by their chance to survive (reconstruction A of
            equation 13); otherwise all alike.
        weights_as: Whether the weights scale the ``loss`` or the chance of being drawn
            (``sampling``).
        softness: Width of the soft gate, in score; towards 0 it becomes the hard filter.
        weight_floor: Lowest weight of any sample, relative to full, so that deep branches do not
            train on a handful.
    """

    native_head: ClassVar[str] = "prototype"
    default_rule: ClassVar[Part] = Part("cpm")

    target: Literal["distillation", "argmax", "labels"] = "distillation"
    temperature: float = 4.0
    label_share: float = 0.0
    soft_weights: bool = True
    weights_as: Literal["loss", "sampling"] = "loss"
    softness: float = 0.1
    weight_floor: float = 0.05

    def __post_init__(self) -> None:
        limits = {
            "temperature": self.temperature > 0,
            "label_share": 0 <= self.label_share <= 1,
            "softness": self.softness > 0,
            "weight_floor": 0 <= self.weight_floor <= 1,
        }
        for name, holds in limits.items():
            if not holds:
                raise InputError(f"the recipe's {name} cannot be used", got=getattr(self, name))

    @property
    def sees_setting(self) -> bool:
        """See `Method`: who survives earlier gates weighs the samples."""
        return self.soft_weights

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place, in order."""
        start(branches, task)
        exits = _blank_table(len(branches), task.calibration)
        alive = np.arange(len(task.calibration))
        staying = np.ones(len(task.train), dtype=np.float32)
        found, worth = [], []
        for k, branch in enumerate(branches):
            weights = normalised(np.maximum(staying, self.weight_floor))
            found.append(self._train_branch(branch, k, weights, task))
            worth.append(effective_samples(weights))
            if not self.soft_weights or k + 1 == len(branches):
                continue
            labels, scores = ask([branch], [task.calibration.reduced[k]])
            exits.labels[k], exits.scores[k] = labels[0], scores[0]
            seen = reached(exits, task.calibration.truth, k, alive, task.classes)
            threshold = task.rule.thresholds(seen, task.setting)
            alive = alive[~passes(labels[0][alive], scores[0][alive], threshold)]
            labels, scores = ask([branch], [task.train.reduced[k]])
            staying = staying * survival(labels[0], scores[0], threshold, self.softness)
        return Outcome(tuple(found), tuple(worth))

    def _train_branch(self, branch: Branch, k: int, weights: Floats, task: Task) -> float:
        reduced, weight = task.train.reduced[k], torch.from_numpy(weights)
        as_loss = self.weights_as == "loss"

        def loss_of(rows: Rows) -> Tensor:
            logits = branch.answer(tensor(reduced, rows), ()).logits
            each = self._losses(logits, rows, task.train)
            return (each * weight[rows]).mean() if as_loss else each.mean()

        return fit(
            [branch],
            loss_of,
            len(task.train),
            task.optimisation,
            f"training branch {k + 1} at {task.attach[k]}",
            chances=None if as_loss else weights,
        )

    def _losses(self, logits: Tensor, rows: Rows, train: Features) -> Tensor:
        """Return each sample's loss."""
        teacher = tensor(train.logits, rows)
        truth = torch.from_numpy(train.truth[rows])
        if self.target == "labels":
            return losses.cross_entropy(logits, truth)
        if self.target == "argmax":
            followed = losses.cross_entropy(logits, teacher.argmax(1))
        else:
            followed = losses.distillation(logits, teacher, self.temperature)
        if self.label_share == 0:
            return followed
        told = losses.cross_entropy(logits, truth)
        return (1 - self.label_share) * followed + self.label_share * told


def survival(
    labels: NDArray[np.int32], scores: Floats, threshold: Floats, softness: float
) -> Floats:
    """Return each sample's chance to stay, ``1 - sigmoid((score - threshold[label]) / softness)``.

    One factor of reconstruction A of the paper's equation 13.

    Args:
        labels: int32 ``(n,)``, a trained branch's.
        scores: float32 ``(n,)``, likewise.
        threshold: float32 ``(classes,)``; where no score suffices, every sample stays.
        softness: Width of the soft gate, in score.
    """
    with np.errstate(over="ignore"):
        staying = 1.0 / (1.0 + np.exp((scores - threshold[labels]) / softness))
    return np.asarray(staying, dtype=np.float32)


def normalised(weights: Floats) -> Floats:
    """Return `weights` scaled to a mean of 1."""
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def effective_samples(weights: Floats) -> float:
    """Return ``(sum w)^2 / sum w^2``: how many equally weighted samples these are worth."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _blank_table(branches: int, part: Features) -> ExitTable:
    """Return a table in which only the backbone has answered yet."""
    labels = np.zeros((branches + 1, len(part)), dtype=np.int32)
    labels[-1] = part.logits.argmax(1)
    return ExitTable(labels, np.zeros((branches + 1, len(part)), dtype=np.float32))
