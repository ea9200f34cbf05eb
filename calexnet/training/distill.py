"""A small network that learns from a large one: to be put in front of it, or shipped alone. Torch.

The loss is that of Hinton et al., "Distilling the knowledge in a neural network", 2015: the mean of
``T^2 KL(softmax(teacher / T) || softmax(student / T))`` and of cross-entropy against the labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.calibration import OperatingPoint
from calexnet.certify import Counts
from calexnet.data.dataset import Dataset
from calexnet.data.split import Split, over_classes
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.progress import Progress
from calexnet.registry import Part
from calexnet.training.backbone import Rows, fit_network
from calexnet.training.backbones import BackboneSpec, narrow
from calexnet.training.backbones.frozen import FrozenBackbone, handed
from calexnet.training.backbones.narrow import Shape
from calexnet.training.cascade import SAMPLES, Cascade
from calexnet.training.methods import losses
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import (
    NO_GATE,
    BackboneTraining,
    CascadeSpec,
    Distilled,
    Plain,
    Samples,
)

_BATCH = 128

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Teacher:
    """Whom to learn from.

    Attributes:
        name: As a record shows it.
        sha256: Of the run, the ONNX file or the weights that it came from.
        backbone: The network, frozen.
        preprocessing: From bytes to its input; the student's too.
        macs: Of one image.
    """

    name: str
    sha256: str
    backbone: FrozenBackbone
    preprocessing: Preprocessing
    macs: int

    def logits(self, images: NDArray[np.uint8]) -> Tensor:
        """Return its logits ``(n, classes)`` for uint8 images ``(n, H, W, C)``."""
        inputs = handed(self.backbone.network, self.preprocessing.normalise(images))
        with torch.inference_mode():
            logits: Tensor = self.backbone(inputs)[-1]
        return logits.clone()


@dataclass(frozen=True)
class DistillPlan:
    """How a student is made.

    Attributes:
        cost: Share of the teacher's MACs that it may cost; it costs `narrow.TOLERANCE` less at
            most.
        temperature: T.
        label_share: Share of the loss that is cross-entropy against the labels, 0..1.
        flip: Mirror every second image; wrong where left and right differ, as in writing.
        training: How long and how fast, and the seed.
    """

    cost: float
    temperature: float = 4.0
    label_share: float = 0.1
    flip: bool = False
    training: BackboneTraining = field(default_factory=BackboneTraining)

    def __post_init__(self) -> None:
        limits = {
            "cost": 0 < self.cost <= 1,
            "temperature": self.temperature > 0,
            "label_share": 0 <= self.label_share <= 1,
        }
        for name, holds in limits.items():
            if not holds:
                raise InputError(
                    f"the distillation's {name} cannot be used", got=getattr(self, name)
                )


@dataclass(frozen=True)
class StudentBeforehand:
    """What is known of a student before it learns.

    Attributes:
        shape: How wide and deep it is.
        macs: Of one image.
        teacher_macs: Of its teacher.
        teacher: What its teacher does on the calibration samples.
    """

    shape: Shape
    macs: int
    teacher_macs: int
    teacher: Plain


def distill(
    data: Dataset,
    split: Split,
    teacher: Teacher,
    plan: DistillPlan,
    tell: Callable[[StudentBeforehand], None] = lambda known: None,
) -> Cascade:
    """Return a small network that learnt from `teacher`: a cascade without branches.

    It sees the training part alone; what is said of it is found on the calibration part. The
    teacher is asked once about each image, and about its mirror image if that is shown.

    Args:
        data: The whole set.
        split: Its division.
        teacher: Whom to learn from.
        plan: How.
        tell: Is told what is known before the student learns.

    Raises:
        InputError: No narrow network costs what is wanted.
        TrainingError: The loss is not finite.
    """
    parts, preprocessing = split.indices, teacher.preprocessing
    image = (preprocessing.channels, preprocessing.height, preprocessing.width)
    classes = len(data.classes)
    shape, macs = narrow.sized(image, classes, int(plan.cost * teacher.macs))
    calibration = data.images[parts["calibration"]]
    truth = data.labels[parts["calibration"]]
    known = Plain.of(_said(teacher.logits, calibration, "calibration").argmax(1), truth)
    tell(StudentBeforehand(shape, macs, teacher.macs, known))
    torch.manual_seed(plan.training.seed)
    network = shape.build(image[0], classes)
    _learn(network, data, parts["train"], teacher, plan)
    student = Teacher("", "", FrozenBackbone(network, ()), preprocessing, macs)
    found = Plain.of(_said(student.logits, calibration, "calibration").argmax(1), truth)
    kept = over_classes(data, parts["calibration"], SAMPLES, split.record.seed)
    return Cascade(
        spec=_spec(data, split, teacher, plan, shape, known, found),
        backbone=student.backbone,
        branches=(),
        samples=Samples(data.images[kept], data.labels[kept]),
    )


def _learn(
    network: nn.Module,
    data: Dataset,
    rows: NDArray[np.intp],
    teacher: Teacher,
    plan: DistillPlan,
) -> None:
    images = data.images[rows]
    truth = torch.from_numpy(data.labels[rows])
    views = [images, images[:, :, ::-1]] if plan.flip else [images]
    said = [torch.from_numpy(_said(teacher.logits, view, "train")) for view in views]

    def loss_of(answers: Tensor, some: Rows, mirrored: Tensor | None) -> Tensor:
        taught = said[0][some]
        if mirrored is not None:
            taught = torch.where(mirrored[:, None], said[1][some], taught)
        followed = losses.distillation(answers, taught, plan.temperature)
        told = losses.cross_entropy(answers, truth[some])
        return ((1 - plan.label_share) * followed + plan.label_share * told).mean()

    fit_network(
        network,
        images,
        teacher.preprocessing,
        plan.training,
        loss_of,
        "the student",
        flip=plan.flip,
    )


def _said(
    ask: Callable[[NDArray[np.uint8]], Tensor], images: NDArray[np.uint8], part: str
) -> Floats:
    """Return logits float32 ``(n, classes)`` for uint8 images ``(n, H, W, C)``."""
    found = []
    with Progress(f"answering the {part} part", len(images)) as progress:
        for start in range(0, len(images), _BATCH):
            some = np.ascontiguousarray(images[start : start + _BATCH])
            found.append(ask(some).numpy())
            progress.advance(len(some))
    return np.concatenate(found)


def _spec(
    data: Dataset,
    split: Split,
    teacher: Teacher,
    plan: DistillPlan,
    shape: Shape,
    known: Plain,
    found: Plain,
) -> CascadeSpec:
    accuracy, counts = found.accuracy, Counts(found.samples, 0, 0)
    widths = "-".join(map(str, shape.widths))
    return CascadeSpec(
        backbone=BackboneSpec(f"narrow {shape.family} {widths}", len(data.classes)),
        attach=(),
        classes=data.classes,
        preprocessing=teacher.preprocessing,
        recipe=plan_recipe(Part("calexnet"), settings=()),
        backbone_training=plan.training,
        branches=(),
        operating_points=(OperatingPoint(NO_GATE, 0.0, (), (1.0,), accuracy, counts=counts),),
        default_operating_point=NO_GATE,
        split=split.record,
        uncalibrated=data.absent(split.indices["calibration"]),
        plain_accuracy=accuracy,
        distilled=Distilled(
            teacher=teacher.name,
            teacher_sha256=teacher.sha256,
            teacher_macs=teacher.macs,
            teacher_accuracy=known.accuracy,
            cost=plan.cost,
            temperature=plan.temperature,
            label_share=plan.label_share,
            flip=plan.flip,
        ),
    )
