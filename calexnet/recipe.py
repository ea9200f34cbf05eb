"""The CalexNet recipe: branches on a frozen backbone, one after the other. Needs torch.

After Aperstein & Apartsin, "CalexNet", 2026. For each branch in order:

1. train its head on the backbone's softmax (equation 10), weighted towards the samples that will
   reach it (equation 13);
2. find its class-precision-margin thresholds on the calibration samples that reach it (equation 8);
3. weight the training samples by how likely they are to stay.

The equations themselves have not been seen. Each is a reconstruction and a named switch below.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray
from torch import Tensor

from calexnet.calibration import CpmRule, calibrate_branch
from calexnet.errors import InputError
from calexnet.features import Features, batches
from calexnet.gating import ExitTable, passes
from calexnet.heads.base import Head
from calexnet.progress import Progress
from calexnet.training import check_loss

Floats = NDArray[np.float32]
_EVALUATION_BATCH = 512


@dataclass(frozen=True)
class Recipe:
    """Every switch of the recipe. None of the values but `temperature` is known to be the paper's.

    Attributes:
        temperature: Of the distillation target, T = 4 in the paper.
        soft_weights: Weight training samples by their chance to survive (reconstruction A of
            equation 13); otherwise all alike.
        softness: Width of the soft gate, in score; towards 0 it becomes the hard filter.
        weight_floor: Lowest weight of any sample, relative to full, so that deep branches do not
            train on a handful.
        train_margin: The margin of the thresholds between branches while training, and of the
            default operating point. Other operating points change thresholds only.
        rule: How thresholds are found.
        epochs: Passes over the training part for each branch.
        batch: Samples a step.
        lr: Peak learning rate of Adam, falling to zero along a cosine.
        weight_decay: Of AdamW.
        seed: Of weights and order.
    """

    temperature: float = 4.0
    soft_weights: bool = True
    softness: float = 0.1
    weight_floor: float = 0.05
    train_margin: float = 0.0
    rule: CpmRule = field(default_factory=CpmRule)
    epochs: int = 40
    batch: int = 64
    lr: float = 1e-2
    weight_decay: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "temperature": self.temperature > 0,
            "softness": self.softness > 0,
            "weight_floor": 0 <= self.weight_floor <= 1,
            "epochs": self.epochs >= 1,
            "batch": self.batch >= 1,
            "lr": self.lr > 0,
        }
        for name, holds in limits.items():
            if not holds:
                raise InputError(f"the recipe's {name} cannot be used", got=getattr(self, name))


@dataclass(frozen=True)
class BranchReport:
    """What training one branch came to.

    Attributes:
        attach: Where it is attached.
        loss: Last epoch's mean distillation loss.
        calibration_accuracy: Of the branch alone, on all calibration samples.
        effective_samples: ``(sum w)^2 / sum w^2`` of the training weights.
        reached: Calibration samples that reached it.
        left: Calibration samples that exited there at the train margin.
    """

    attach: str
    loss: float
    calibration_accuracy: float
    effective_samples: float
    reached: int
    left: int


def train_branches(
    heads: Sequence[Head],
    attach: Sequence[str],
    train: Features,
    calibration: Features,
    recipe: Recipe,
) -> tuple[ExitTable, tuple[BranchReport, ...]]:
    """Train `heads` in place, in order.

    Args:
        heads: Fresh heads, one an attach point.
        attach: Their names, for reports.
        train: Features to train on.
        calibration: Features to find thresholds on. Their labels are never trained on; through
            the thresholds they only say how much a sample counts for later branches.
        recipe: The switches.

    Returns:
        Answers of all exits on the calibration part, and a report for each branch.

    Raises:
        TrainingError: A loss is not finite.
    """
    torch.manual_seed(recipe.seed)
    classes = train.logits.shape[1]
    table = _empty_table(len(heads), calibration)
    alive = np.arange(len(calibration))
    staying = np.ones(len(train), dtype=np.float32)
    reports = []
    for branch, head in enumerate(heads):
        weights = _normalised(np.maximum(staying, recipe.weight_floor))
        name = f"training branch {branch + 1} at {attach[branch]}, epochs"
        loss = train_head(head, train.reduced[branch], train.logits, weights, recipe, name)

        table.labels[branch], table.scores[branch] = answers(head, calibration.reduced[branch])
        threshold = calibrate_branch(
            table,
            calibration.truth,
            branch,
            alive,
            classes=classes,
            margin=recipe.train_margin,
            rule=recipe.rule,
        )
        labels, scores = table.labels[branch], table.scores[branch]
        leaving = passes(labels[alive], scores[alive], threshold)
        reports.append(
            BranchReport(
                attach=attach[branch],
                loss=loss,
                calibration_accuracy=float((labels == calibration.truth).mean()),
                effective_samples=effective_samples(weights),
                reached=len(alive),
                left=int(leaving.sum()),
            )
        )
        alive = alive[~leaving]
        if recipe.soft_weights and branch + 1 < len(heads):
            staying = staying * survival(head, train.reduced[branch], threshold, recipe.softness)
    return table, tuple(reports)


def train_head(
    head: Head,
    reduced: Floats,
    teacher_logits: Floats,
    weights: Floats,
    recipe: Recipe,
    label: str,
) -> float:
    """Train one head in place and return the last epoch's mean loss.

    Args:
        head: A fresh head.
        reduced: float32 ``(n, ...)``, its cached features.
        teacher_logits: float32 ``(n, classes)``, the backbone's.
        weights: float32 ``(n,)``, of mean 1.
        recipe: Temperature and optimiser.
        label: Shown as progress.
    """
    count = len(reduced)
    generator = torch.Generator().manual_seed(recipe.seed)
    some = np.sort(torch.randperm(count, generator=generator)[:64].numpy())
    head.initialise(torch.from_numpy(np.ascontiguousarray(reduced[some])))
    optimiser = torch.optim.AdamW(head.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, recipe.epochs)
    teacher, weight = torch.from_numpy(teacher_logits), torch.from_numpy(weights)
    head.train()
    with Progress(label, recipe.epochs) as progress:
        for epoch in range(recipe.epochs):
            order = torch.randperm(count, generator=generator).numpy()
            total = 0.0
            for i, inputs in enumerate(batches(reduced, order, recipe.batch)):
                rows = order[i * recipe.batch : (i + 1) * recipe.batch]
                loss = distillation_loss(
                    head.classify(inputs), teacher[rows], weight[rows], recipe.temperature
                )
                optimiser.zero_grad(set_to_none=True)
                loss.backward()  # type: ignore[no-untyped-call]
                optimiser.step()
                total += check_loss(loss, f"{label} {epoch + 1}") * len(rows)
            schedule.step()
            mean_loss = total / count
            progress.advance(note=f"loss {mean_loss:.3f}")
    head.eval()
    return mean_loss


def distillation_loss(
    logits: Tensor, teacher_logits: Tensor, weights: Tensor, temperature: float
) -> Tensor:
    """Return the weighted mean of ``T^2 KL(softmax(teacher / T) || softmax(student / T))``.

    Reconstruction of the paper's equation 10; the factor T^2 is the usual one and unconfirmed.

    Args:
        logits: float32 ``(n, classes)``, the branch's.
        teacher_logits: float32 ``(n, classes)``, the backbone's.
        weights: float32 ``(n,)``.
        temperature: T.
    """
    student = functional.log_softmax(logits / temperature, dim=1)
    teacher = functional.log_softmax(teacher_logits / temperature, dim=1)
    divergence = functional.kl_div(student, teacher, reduction="none", log_target=True).sum(1)
    return temperature**2 * (weights * divergence).mean()


def survival(head: Head, reduced: Floats, threshold: Floats, softness: float) -> Floats:
    """Return each sample's chance to stay, ``1 - sigmoid((score - threshold[label]) / softness)``.

    One factor of reconstruction A of the paper's equation 13.

    Args:
        head: A trained head.
        reduced: float32 ``(n, ...)``, its cached features.
        threshold: float32 ``(classes,)``; where no score suffices, every sample stays.
        softness: Width of the soft gate, in score.
    """
    labels, scores = answers(head, reduced)
    with np.errstate(over="ignore"):
        staying = 1.0 / (1.0 + np.exp((scores - threshold[labels]) / softness))
    return np.asarray(staying, dtype=np.float32)


def answers(head: Head, reduced: Floats) -> tuple[NDArray[np.int32], Floats]:
    """Return a head's labels int32 ``(n,)`` and scores float32 ``(n,)``: the largest softmax."""
    head.eval()
    with torch.inference_mode():
        logits = [
            head.classify(inputs)
            for inputs in batches(reduced, np.arange(len(reduced)), _EVALUATION_BATCH)
        ]
        scores, labels = torch.softmax(torch.cat(logits), dim=1).max(1)
    return labels.numpy().astype(np.int32), scores.numpy()


def effective_samples(weights: Floats) -> float:
    """Return ``(sum w)^2 / sum w^2``: how many equally weighted samples these are worth."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def _normalised(weights: Floats) -> Floats:
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def _empty_table(branches: int, part: Features) -> ExitTable:
    labels = np.zeros((branches + 1, len(part)), dtype=np.int32)
    scores = np.zeros((branches + 1, len(part)), dtype=np.float32)
    scores_of_all = torch.softmax(torch.from_numpy(part.logits), dim=1).max(1)
    scores[-1], labels[-1] = scores_of_all.values.numpy(), scores_of_all.indices.numpy()
    return ExitTable(labels, scores)
