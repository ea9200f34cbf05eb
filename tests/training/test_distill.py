"""Distillation: the student learns from its teacher, on the training part, the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.training import backbone
from calexnet.training.cascade import Cascade
from calexnet.training.distill import DistillPlan, StudentBeforehand, Teacher, distill
from calexnet.training.spec import NO_GATE, BackboneTraining
from tests.support.small_cascade import is_same, weights

SHORT = DistillPlan(cost=0.3, training=BackboneTraining(epochs=4, batch=32))


@pytest.fixture(scope="module")
def teacher(small_cascade: Cascade) -> Teacher:
    macs = small_cascade.macs().plain
    ways = small_cascade.spec.preprocessing
    return Teacher("resnet8", "ab" * 32, small_cascade.backbone, ways, macs)


def test_a_student_costs_what_was_asked_for_and_agrees_with_its_teacher(
    small_data: Dataset, small_cascade: Cascade, teacher: Teacher
) -> None:
    told: list[StudentBeforehand] = []
    split = divide(small_data, 0)

    student = distill(small_data, split, teacher, SHORT, told.append)

    (known,) = told
    assert 0.95 * 0.3 * teacher.macs <= known.macs == student.macs().plain <= 0.3 * teacher.macs
    test = small_data.images[split.indices["test"]]
    theirs = small_cascade.answer(test).labels[-1]
    agreed = float((student.answer(test).labels[0] == theirs).mean())
    assert agreed > 0.5, "by chance a quarter"
    spec = student.spec
    assert ((), (), NO_GATE) == (spec.attach, student.branches, spec.default_operating_point)
    assert spec.split == split.record
    assert spec.distilled is not None
    assert ("resnet8", "ab" * 32, teacher.macs, 0.3) == (
        spec.distilled.teacher,
        spec.distilled.teacher_sha256,
        spec.distilled.teacher_macs,
        spec.distilled.cost,
    )
    rows = split.indices["calibration"]
    right = student.answer(small_data.images[rows]).labels[0] == small_data.labels[rows]
    assert float(right.mean()) == pytest.approx(spec.plain_accuracy)


def test_the_same_seed_gives_the_same_student_and_another_another(
    small_data: Dataset, teacher: Teacher
) -> None:
    split = divide(small_data, 0)
    quick = replace(SHORT, training=BackboneTraining(epochs=1, seed=3), flip=True)
    other = replace(quick, training=replace(quick.training, seed=4))

    one, again, another = (
        distill(small_data, split, teacher, plan) for plan in (quick, quick, other)
    )

    assert is_same(weights(one), weights(again))
    assert not is_same(weights(one), weights(another))


def test_nothing_but_the_training_part_teaches(small_data: Dataset, teacher: Teacher) -> None:
    split = divide(small_data, 0)
    kept = np.zeros(len(small_data), dtype=bool)
    kept[split.indices["train"]] = True
    images, labels = small_data.images.copy(), small_data.labels.copy()
    images[~kept], labels[~kept] = 0, 0
    quick = replace(SHORT, training=BackboneTraining(epochs=1))

    one, other = (
        distill(data, split, teacher, quick)
        for data in (small_data, replace(small_data, images=images, labels=labels))
    )

    assert is_same(weights(one), weights(other))


class Rows(torch.nn.Module):
    """Gives the first row of each image's first channel back."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = torch.nn.Parameter(torch.ones(1))

    def forward(self, images: Tensor) -> Tensor:
        return self.scale * images[:, 0, 0]


def test_mirrored_images_are_told_from_the_others(small_data: Dataset, teacher: Teacher) -> None:
    images, ways = small_data.images[:8], teacher.preprocessing
    seen: list[tuple[Tensor, NDArray[np.intp], Tensor]] = []

    def loss_of(answers: Tensor, rows: NDArray[np.intp], mirrored: Tensor | None) -> Tensor:
        assert mirrored is not None
        seen.append((answers.detach(), rows, mirrored))
        return answers.sum() * 0

    plan = BackboneTraining(epochs=4, shift=0, weight_decay=0.0)
    backbone.fit_network(Rows(), images, ways, plan, loss_of, "a test", flip=True)

    plain = torch.from_numpy(ways.normalise(images))[:, 0, 0]
    flags = torch.cat([mirrored for _, _, mirrored in seen])
    assert 0 < int(flags.sum()) < len(flags)
    for answers, rows, mirrored in seen:
        assert torch.equal(
            torch.where(mirrored[:, None], plain[rows].flip(1), plain[rows]), answers
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cost": 0.0}, "the distillation's cost cannot be used: got 0"),
        ({"temperature": 0.0}, "the distillation's temperature cannot be used"),
        ({"label_share": 1.5}, r"the distillation's label_share cannot be used: got 1\.5"),
    ],
)
def test_a_plan_without_sense_is_refused(changes: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(SHORT, **changes)  # type: ignore[arg-type]
