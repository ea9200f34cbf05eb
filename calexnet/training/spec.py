"""What a run is but its weights: how it was made, and what came of it. Needs numpy alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calexnet.calibration import CutNetwork, OperatingPoint
from calexnet.certify import Counts
from calexnet.data.split import SplitRecord
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.registry import Part
from calexnet.training.backbones import BackboneSpec
from calexnet.training.backbones.graph_file import GraphCosts, HeadGraph

#: From so many samples on a set is large: it gives enough steps in fewer, wider passes.
LARGE = 10_000

#: Name of the only operating point of a network without branches, at which nobody leaves early.
NO_GATE = "no-gate"


@dataclass(frozen=True)
class BackboneTraining:
    """How a backbone is trained: SGD with momentum, one learning-rate cycle, shifted images.

    Attributes:
        epochs: Passes over the training part.
        batch: Images a step.
        peak_lr: Highest learning rate of the cycle.
        weight_decay: L2 penalty.
        shift: Largest random shift, in pixels.
        seed: Of weights, order and shifts.
    """

    epochs: int = 20
    batch: int = 64
    peak_lr: float = 0.1
    weight_decay: float = 5e-4
    shift: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "epochs": self.epochs >= 1,
            "batch": self.batch >= 1,
            "peak_lr": self.peak_lr > 0,
            "shift": self.shift >= 0,
        }
        for name, holds in limits.items():
            if not holds:
                raise InputError(
                    f"the backbone training's {name} cannot be used", got=getattr(self, name)
                )


@dataclass(frozen=True)
class Optimisation:
    """How long and how fast to learn: AdamW, the rate falling to zero along a cosine.

    Attributes:
        epochs: Passes over the training part; ``None`` = 40, or 15 from 10,000 samples on.
        batch: Samples a step; ``None`` = 64, or 256 likewise.
        lr: Learning rate at the start.
        weight_decay: Of AdamW.
        seed: Of weights and order.
    """

    epochs: int | None = None
    batch: int | None = None
    lr: float = 1e-2
    weight_decay: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        limits = {
            "epochs": self.epochs is None or self.epochs >= 1,
            "batch": self.batch is None or self.batch >= 1,
            "lr": self.lr > 0,
            "weight_decay": self.weight_decay >= 0,
        }
        for name, holds in limits.items():
            if not holds:
                raise InputError(
                    f"the optimisation's {name} cannot be used", got=getattr(self, name)
                )

    def length(self, count: int) -> tuple[int, int]:
        """Return the epochs, and the steps in each, for `count` samples."""
        batch = self.batch or (64 if count < LARGE else 256)
        epochs = self.epochs or (40 if count < LARGE else 15)
        return epochs, max(1, count // batch)


@dataclass(frozen=True)
class Recipe:
    """How branches are made.

    Attributes:
        method: One of `calexnet.training.methods.METHODS` or the user's own, with its switches.
        head: One of `calexnet.training.heads.HEADS` or the user's own.
        exits: Sub-modules of the network that are trained heads already, for method ``trained``.
        score: One of `calexnet.training.scores.SCORES`, ``softmax``, or the user's own.
        rule: One of `calexnet.rules.RULES` or the user's own, with its switches.
        setting: The rule's, of the default operating point, and of the thresholds between branches
            while training. Other operating points change thresholds only.
        settings: Those of all operating points.
        optimisation: How long and how fast branches learn.
        widths: The most channels inside each head; empty = as many as they want.
    """

    method: Part
    head: str
    exits: tuple[str, ...]
    score: str
    rule: Part
    setting: float
    settings: tuple[float, ...]
    optimisation: Optimisation
    widths: tuple[int, ...] = ()


@dataclass(frozen=True)
class BranchReport:
    """What training one branch came to.

    Attributes:
        attach: Where it is attached.
        loss: Last epoch's mean loss, ``None`` if nothing was trained.
        calibration_accuracy: Of the branch alone, on all calibration samples.
        effective_samples: ``(sum w)^2 / sum w^2`` of the training weights, likewise.
        reached: Calibration samples that reach it at the default operating point.
        left: Calibration samples that exit there.
        head: Its kind; ``None`` = the recipe's.
    """

    attach: str
    loss: float | None
    calibration_accuracy: float
    effective_samples: float | None
    reached: int
    left: int
    head: str | None = None

    @property
    def can_be(self) -> bool:
        """Whether training may come to this."""
        share, effective = self.calibration_accuracy, self.effective_samples or 0
        return 0 <= share <= 1 and 0 <= self.left <= self.reached and effective >= 0


@dataclass(frozen=True)
class Distilled:
    """Of whom a small network learnt, and how.

    Attributes:
        teacher: Its name.
        teacher_sha256: Of the run, the ONNX file or the weights that it came from.
        teacher_macs: Of one image.
        teacher_accuracy: Share of the calibration samples that it answers rightly.
        cost: Share of the teacher's MACs that was asked for, at most.
        temperature: Of the distillation.
        label_share: Share of the loss that is cross-entropy against the data's labels.
        flip: Whether images were mirrored.
    """

    teacher: str
    teacher_sha256: str
    teacher_macs: int
    teacher_accuracy: float
    cost: float
    temperature: float
    label_share: float
    flip: bool

    @property
    def can_be(self) -> bool:
        """Whether a network may be learnt so."""
        shares = (self.teacher_accuracy, self.cost, self.label_share)
        within = all(0 <= share <= 1 for share in shares)
        return within and self.teacher_macs >= 1 and self.temperature > 0


@dataclass(frozen=True)
class CascadeSpec:
    """Everything about a cascade but its weights.

    Attributes:
        backbone: How to build the network.
        attach: Where branches are, in running order.
        classes: Names in label order.
        preprocessing: From bytes to the network's input.
        recipe: How the branches were made.
        backbone_training: How the backbone was trained, ``None`` if it came trained.
        branches: What training each branch came to.
        operating_points: Threshold tables, by rising setting.
        default_operating_point: Name of the one made at the recipe's setting.
        split: Which samples trained, calibrated and may test.
        uncalibrated: Classes without a calibration sample, which never exit early; ``None`` if it
            was not recorded.
        plain_accuracy: Share of the calibration samples that the backbone alone answers rightly;
            ``None`` likewise.
        cuts: The network cut after each branch's stage; empty if it was not recorded.
        graph: What the backbone costs if it is an ONNX graph; ``None`` if it is PyTorch's.
        heads: What is known of branches that are ONNX graphs too; empty if they are PyTorch's.
        distilled: Of whom a small network alone learnt; ``None`` if it is none.
    """

    backbone: BackboneSpec
    attach: tuple[str, ...]
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: Recipe
    backbone_training: BackboneTraining | None
    branches: tuple[BranchReport, ...]
    operating_points: tuple[OperatingPoint, ...]
    default_operating_point: str
    split: SplitRecord
    uncalibrated: tuple[str, ...] | None = None
    plain_accuracy: float | None = None
    cuts: tuple[CutNetwork, ...] = ()
    graph: GraphCosts | None = None
    heads: tuple[HeadGraph, ...] = ()
    distilled: Distilled | None = None

    @property
    def is_graphs(self) -> bool:
        """Whether all of it is ONNX graphs, so that nothing that was trained needs torch."""
        return self.graph is not None and len(self.heads) == len(self.attach)

    def head_of(self, number: int) -> str:
        """Return of what kind a branch is, from 0."""
        known = self.branches[number].head if self.branches else None
        return known or self.recipe.head

    def known_cuts(self) -> tuple[CutNetwork, ...]:
        """Return the network cut after each branch's stage, as far as it is known."""
        old = (CutNetwork(branch.calibration_accuracy, None) for branch in self.branches)
        return self.cuts or tuple(old)

    def cut_after(self, number: int) -> CascadeSpec:
        """Return what is known of the network cut after stage `number`, from 1: no cascade."""
        known = self.operating_points[0].counts
        accuracy = self.branches[number - 1].calibration_accuracy
        images = None if known is None else known.images
        return self.without_branches(
            f"{self.backbone.name} cut after {self.attach[number - 1]}", accuracy, images
        )

    def without_branches(self, name: str, accuracy: float, images: int | None) -> CascadeSpec:
        """Return what is known of a network alone, in the place of this cascade.

        Args:
            name: Of the network.
            accuracy: Share of the calibration images that it answers rightly.
            images: How many there are, ``None`` if it was not recorded.
        """
        # Its own reference is the network itself.
        counts = None if images is None else Counts(images, 0, 0)
        return replace(
            self,
            backbone=replace(self.backbone, name=name),
            attach=(),
            branches=(),
            operating_points=(OperatingPoint(NO_GATE, 0.0, (), (1.0,), accuracy, counts=counts),),
            default_operating_point=NO_GATE,
            plain_accuracy=accuracy,
            cuts=(),
            heads=(),
        )


@dataclass(frozen=True)
class Samples:
    """A few real labelled images: uint8 ``(n, H, W, C)`` and int64 ``(n,)``."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Plain:
    """What the backbone alone does; on calibration samples before any branch is trained.

    Attributes:
        accuracy: Share that it answers rightly.
        samples: How many there are.
        commonest: Share of the class that most of them have.
    """

    accuracy: float
    samples: int
    commonest: float

    @classmethod
    def of(cls, labels: NDArray[np.integer], truth: NDArray[np.int64]) -> Plain:
        """Return what its `labels` come to: integer ``(n,)`` each."""
        accuracy, commonest = (labels == truth).mean(), np.bincount(truth).max() / len(truth)
        return cls(float(accuracy), len(truth), float(commonest))

    @property
    def is_at_chance(self) -> bool:
        """Whether always answering the commonest class may be as good: within two deviations."""
        deviation = (self.commonest * (1 - self.commonest) / self.samples) ** 0.5
        return bool(self.accuracy <= self.commonest + 2 * deviation)
