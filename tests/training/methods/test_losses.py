"""Losses worked by hand."""

from __future__ import annotations

import math

import pytest
import torch

from calexnet.training.methods.losses import cross_entropy, distillation


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_distillation_worked_by_hand(temperature: float) -> None:
    """Two classes: the teacher gives 3/4 and 1/2, the student 1/2 and 1/4, softened by T."""
    student = torch.tensor([[logit(0.5), 0.0], [logit(0.25), 0.0]]) * temperature
    teacher = torch.tensor([[logit(0.75), 0.0], [logit(0.5), 0.0]]) * temperature
    first = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    second = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)

    loss = distillation(student, teacher, temperature)

    expected = torch.tensor([first, second]) * temperature**2
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=1e-6)


def test_a_student_like_its_teacher_loses_nothing_and_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0]])

    assert 0.0 == float(distillation(logits, logits, 1.0))
    assert math.isfinite(float(distillation(-logits, logits, 1.0)))


def test_the_factor_keeps_the_gradient_of_a_hot_target() -> None:
    """For close logits T^2 KL is nearly the same at any high temperature."""
    student, teacher = torch.tensor([[0.1, 0.0]]), torch.tensor([[0.0, 0.1]])

    losses = [float(distillation(student, teacher, t)) for t in (4.0, 16.0)]

    assert pytest.approx(losses[0], rel=0.01) == losses[1]


def test_cross_entropy_worked_by_hand() -> None:
    logits = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]).log() + 7

    loss = cross_entropy(logits, torch.tensor([0, 1]))

    torch.testing.assert_close(loss, torch.tensor([math.log(2), math.log(10)]))
