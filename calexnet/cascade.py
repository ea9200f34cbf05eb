"""A trained cascade: frozen backbone, branches, thresholds, and their story. Needs torch."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calexnet import backbones, features, heads
from calexnet.backbones import BackboneSpec
from calexnet.backbones.frozen import FrozenBackbone
from calexnet.calibration import OperatingPoint, margin_name, operating_points
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, SplitRecord
from calexnet.errors import InputError
from calexnet.gating import ExitTable
from calexnet.heads.base import Head
from calexnet.preprocessing import Preprocessing, channel_statistics
from calexnet.recipe import BranchReport, Recipe, train_branches
from calexnet.training import BackboneTraining, train_backbone

#: Operating points that every cascade gets, besides the one it was trained at.
MARGINS = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)

#: Real calibration images kept with the cascade, to verify every export on.
_SAMPLES = 128


@dataclass(frozen=True)
class CascadeSpec:
    """Everything about a cascade but its weights.

    Attributes:
        backbone: How to build the network.
        attach: Where branches are, in running order.
        head: What head they have.
        classes: Names in label order.
        preprocessing: From bytes to the network's input.
        recipe: How the branches were trained.
        backbone_training: How the backbone was, ``None`` if it came trained.
        branches: What training each branch came to.
        operating_points: Threshold tables, strictest first.
        default_operating_point: Name of the one made at the recipe's train margin.
        split: Which samples trained, calibrated and may test.
    """

    backbone: BackboneSpec
    attach: tuple[str, ...]
    head: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    recipe: Recipe
    backbone_training: BackboneTraining | None
    branches: tuple[BranchReport, ...]
    operating_points: tuple[OperatingPoint, ...]
    default_operating_point: str
    split: SplitRecord


@dataclass(frozen=True)
class Samples:
    """A few real labelled images: uint8 ``(n, H, W, C)`` and int64 ``(n,)``."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Cascade:
    """A trained cascade.

    Attributes:
        spec: All but the weights.
        backbone: The frozen network with its attach points.
        heads: One a branch.
        samples: Real images to verify exports on; from the calibration part.
    """

    spec: CascadeSpec
    backbone: FrozenBackbone
    heads: tuple[Head, ...]
    samples: Samples

    def answer(self, images: NDArray[np.uint8]) -> ExitTable:
        """Return what every exit answers for uint8 images ``(n, H, W, C)``: the reference.

        No sample leaves early here; `calexnet.gating` decides from the table.
        """
        probabilities = self.probabilities(images)
        labels = probabilities.argmax(2).astype(np.int32)
        return ExitTable(labels, probabilities.max(2))

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return every exit's softmax, float32 ``(exits, n, classes)``, likewise."""
        inputs = torch.from_numpy(self.spec.preprocessing.normalise(images))
        with torch.inference_mode():
            *maps, logits = self.backbone(inputs)
            rows = [head(feature) for head, feature in zip(self.heads, maps, strict=True)]
            softmax: NDArray[np.float32] = torch.softmax(torch.stack([*rows, logits]), 2).numpy()
        return softmax


@dataclass(frozen=True)
class CascadePlan:
    """What to train.

    Attributes:
        backbone: A name or ``package.module:function``.
        stem: For the backbones that have a choice.
        attach: Attach points, ``None`` = the backbone's own.
        head: A name.
        recipe: The switches.
        margins: Operating points to make, besides the recipe's train margin.
        backbone_training: Used when no trained network is given.
        mean: Of each channel, in 0..1; ``None`` = the training part's own.
        std: Likewise.
    """

    backbone: str
    stem: str | None = None
    attach: tuple[str, ...] | None = None
    head: str = "prototype"
    recipe: Recipe = field(default_factory=Recipe)
    margins: tuple[float, ...] = MARGINS
    backbone_training: BackboneTraining = field(default_factory=BackboneTraining)
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None


def build_parts(
    backbone: BackboneSpec,
    attach: Sequence[str],
    head: str,
    preprocessing: Preprocessing,
    network: nn.Module | None = None,
) -> tuple[FrozenBackbone, tuple[Head, ...]]:
    """Return a frozen backbone and fresh heads that fit each other.

    Args:
        backbone: What to build when no `network` is given.
        attach: Where branches go.
        head: Their kind.
        preprocessing: Gives the image's shape.
        network: A network to use as it is.

    Raises:
        InputError: The parts do not fit; the message says which.
    """
    frozen = FrozenBackbone(network or backbones.build(backbone), attach)
    image = (preprocessing.channels, preprocessing.height, preprocessing.width)
    shapes = frozen.check(image, backbone.classes)
    return frozen, tuple(heads.build(head, shape, backbone.classes) for shape in shapes)


def train_cascade(
    data: Dataset,
    split: Split,
    plan: CascadePlan,
    *,
    network: nn.Module | None = None,
    scratch: Path | None = None,
) -> Cascade:
    """Train a cascade on the train and calibration parts of `data`; the test part is not read.

    Args:
        data: The whole set.
        split: Its division.
        plan: What to train.
        network: A trained backbone; without one, the plan's is trained first.
        scratch: Where cached features go while training; a temporary folder by default.

    Raises:
        InputError: The plan does not fit the data.
        TrainingError: A loss is not finite.
    """
    torch.manual_seed(plan.recipe.seed)
    attach = plan.attach or backbones.default_attach(plan.backbone)
    spec = BackboneSpec(plan.backbone, len(data.classes), plan.stem)
    parts = split.indices
    preprocessing = _preprocessing(data, parts["train"], plan)
    trained = network is not None
    backbone, branch_heads = build_parts(spec, attach, plan.head, preprocessing, network)
    if not trained:
        _train_and_refreeze(backbone, data, parts["train"], preprocessing, plan)

    with tempfile.TemporaryDirectory(prefix=".features-", dir=scratch) as folder:
        train, calibration = (
            features.compute(
                backbone,
                branch_heads,
                data.images[parts[part]],
                data.labels[parts[part]],
                preprocessing,
                Path(folder),
                part,
            )
            for part in ("train", "calibration")
        )
        table, reports = train_branches(branch_heads, attach, train, calibration, plan.recipe)

    points = operating_points(
        table,
        calibration.truth,
        (*plan.margins, plan.recipe.train_margin),
        classes=len(data.classes),
        rule=plan.recipe.rule,
    )
    kept = parts["calibration"][:_SAMPLES]
    return Cascade(
        spec=CascadeSpec(
            backbone=spec,
            attach=tuple(attach),
            head=plan.head,
            classes=data.classes,
            preprocessing=preprocessing,
            recipe=plan.recipe,
            backbone_training=None if trained else plan.backbone_training,
            branches=reports,
            operating_points=points,
            default_operating_point=margin_name(plan.recipe.train_margin),
            split=split.record,
        ),
        backbone=backbone,
        heads=branch_heads,
        samples=Samples(data.images[kept], data.labels[kept]),
    )


def _train_and_refreeze(
    backbone: FrozenBackbone,
    data: Dataset,
    rows: NDArray[np.intp],
    preprocessing: Preprocessing,
    plan: CascadePlan,
) -> None:
    network = backbone.network.requires_grad_(True)
    train_backbone(
        network, data.images[rows], data.labels[rows], preprocessing, plan.backbone_training
    )
    network.requires_grad_(False)


def _preprocessing(data: Dataset, train: NDArray[np.intp], plan: CascadePlan) -> Preprocessing:
    height, width, channels = data.images.shape[1:]
    for name, given in (("mean", plan.mean), ("std", plan.std)):
        if given is not None and len(given) != channels:
            raise InputError(
                f"the {name} does not fit the data",
                got=f"{len(given)} numbers",
                expected=f"{channels}, one a channel",
            )
    mean, std = channel_statistics(data.images, train)
    flat = 1e-3  # of a channel without contrast, not to divide by nothing
    return Preprocessing(
        height, width, plan.mean or mean, plan.std or tuple(max(each, flat) for each in std)
    )
