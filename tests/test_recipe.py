"""The recipe: its equations worked by hand, and what may and may not reach a branch's weights."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from calexnet import recipe
from calexnet.calibration import CpmRule, calibrate
from calexnet.errors import InputError, TrainingError
from calexnet.features import Features
from calexnet.gating import NEVER, ExitTable, choose_exits
from calexnet.heads.base import Head
from calexnet.heads.linear import LinearHead
from calexnet.recipe import (
    BranchReport,
    Recipe,
    answers,
    distillation_loss,
    effective_samples,
    survival,
    train_branches,
)
from tests.small_cascade import is_same, tensors

ATTACH = ("early", "late")
SHORT = Recipe(epochs=3, batch=16, lr=0.1, train_margin=0.1, rule=CpmRule(min_support=2))


class Fixed(Head):
    """A head without weights: what it is given are its logits."""

    def reduce(self, features: Tensor) -> Tensor:
        return features

    def classify(self, reduced: Tensor) -> Tensor:
        return reduced


def part(count: int, seed: int) -> Features:
    """Return features of three classes: the first branch sees them poorly, the second well."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, 3, count)
    clean = np.eye(3)[truth]
    reduced = tuple(
        (clean * strength + random.normal(0, 1, (count, 3))).astype(np.float32)
        for strength in (2.0, 4.0)
    )
    logits = (clean * 6 + random.normal(0, 1, (count, 3))).astype(np.float32)
    return Features(reduced, logits, truth)


TRAIN, CALIBRATION = part(120, 0), part(80, 1)


@dataclasses.dataclass
class Trained:
    heads: list[LinearHead]
    table: ExitTable
    reports: tuple[BranchReport, ...]

    def weights(self, branch: int) -> dict[str, NDArray[Any]]:
        return tensors(self.heads[branch])


def fit(
    train: Features = TRAIN, calibration: Features = CALIBRATION, switches: Recipe = SHORT
) -> Trained:
    torch.manual_seed(5)
    heads = [LinearHead((3,), 3) for _ in ATTACH]
    table, reports = train_branches(heads, ATTACH, train, calibration, switches)
    return Trained(heads, table, reports)


@pytest.fixture
def sample_weights(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.float32]]:
    """The weights that each head is trained with, once something was trained."""
    seen = []
    train_head = recipe.train_head

    def spy(head: Head, reduced: Any, teacher: Any, weights: Any, *rest: Any) -> float:
        seen.append(weights)
        return train_head(head, reduced, teacher, weights, *rest)

    monkeypatch.setattr(recipe, "train_head", spy)
    return seen


def logit(probability: float) -> float:
    return math.log(probability / (1 - probability))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_the_loss_worked_by_hand(temperature: float) -> None:
    """Two classes: the teacher gives 3/4 and 1/2, the student 1/2 and 1/4, softened by T."""
    student = torch.tensor([[logit(0.5), 0.0], [logit(0.25), 0.0]]) * temperature
    teacher = torch.tensor([[logit(0.75), 0.0], [logit(0.5), 0.0]]) * temperature
    first = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    second = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)

    loss = distillation_loss(student, teacher, torch.tensor([0.5, 1.5]), temperature)

    expected = temperature**2 * (0.5 * first + 1.5 * second) / 2
    assert pytest.approx(expected, rel=1e-5) == float(loss)


def test_a_student_like_its_teacher_loses_nothing_and_extreme_logits_stay_finite() -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0]])
    weight = torch.ones(1)

    assert 0.0 == float(distillation_loss(logits, logits, weight, 1.0))
    assert math.isfinite(float(distillation_loss(-logits, logits, weight, 1.0)))


def test_the_factor_keeps_the_gradient_of_a_hot_target() -> None:
    """For close logits T^2 KL is nearly the same at any high temperature."""
    student, teacher = torch.tensor([[0.1, 0.0]]), torch.tensor([[0.0, 0.1]])

    losses = [float(distillation_loss(student, teacher, torch.ones(1), t)) for t in (4.0, 16.0)]

    assert pytest.approx(losses[0], rel=0.01) == losses[1]


def test_survival_worked_by_hand() -> None:
    probabilities = np.array([0.8, 0.8, 0.6, 0.55])
    logits = np.stack([np.log(probabilities), np.log(1 - probabilities)], 1)
    logits[3] = logits[3, ::-1]  # class 1, at 0.55
    threshold = np.array([0.7, NEVER], np.float32)
    head = Fixed((2,), 2)

    staying = survival(head, logits.astype(np.float32), threshold, 0.1)

    e = math.e
    np.testing.assert_allclose(staying, [1 / (1 + e), 1 / (1 + e), e / (1 + e), 1.0], rtol=1e-5)
    assert np.float32 == staying.dtype


@pytest.mark.parametrize(("threshold", "expected"), [(0.7, [0, 1]), (NEVER, [1, 1])])
def test_a_soft_gate_of_no_width_is_the_hard_filter(threshold: float, expected: list[int]) -> None:
    logits = np.log(np.array([[0.8, 0.2], [0.6, 0.4]], np.float32))

    staying = survival(Fixed((2,), 2), logits, np.full(2, threshold, np.float32), 1e-6)

    assert expected == staying.tolist()


def test_answers_are_the_largest_softmax_and_its_class() -> None:
    logits = np.log(np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]], np.float32))

    labels, scores = answers(Fixed((3,), 3), np.repeat(logits, 600, 0))

    assert [1] * 600 + [0] * 600 == labels.tolist()
    np.testing.assert_allclose(scores, np.repeat([0.5, 0.9], 600), rtol=1e-6)
    assert ("int32", "float32") == (labels.dtype.name, scores.dtype.name)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1, 1], 4), ([3, 3], 2), ([1, 0, 0], 1), ([2, 1, 1], 16 / 6)],
)
def test_effective_samples_worked_by_hand(weights: list[float], expected: float) -> None:
    assert pytest.approx(expected) == effective_samples(np.array(weights, np.float32))


def test_the_first_branch_weighs_all_alike_and_the_second_those_that_stay(
    sample_weights: list[NDArray[np.float32]],
) -> None:
    trained = fit()

    threshold = calibrate(
        trained.table, CALIBRATION.truth, classes=3, margin=SHORT.train_margin, rule=SHORT.rule
    )[0]
    head = trained.heads[0]
    labels, scores = answers(head, TRAIN.reduced[0])
    leaves = scores >= threshold[labels]
    staying = np.maximum(survival(head, TRAIN.reduced[0], threshold, 0.1), SHORT.weight_floor)
    first, second = sample_weights
    assert [1.0] * len(TRAIN) == first.tolist()
    np.testing.assert_allclose(second, staying / staying.mean(), rtol=1e-5)
    assert 10 < leaves.sum() < len(TRAIN) - 10
    assert second[leaves].max() < second[~leaves].mean()
    assert pytest.approx(effective_samples(second)) == trained.reports[1].effective_samples
    assert trained.reports[1].effective_samples < len(TRAIN) - 1


def test_weights_never_fall_below_the_floor(sample_weights: list[NDArray[np.float32]]) -> None:
    fit(switches=dataclasses.replace(SHORT, weight_floor=1.0))

    assert [1.0] * len(TRAIN) == sample_weights[1].tolist()


def test_without_soft_weights_every_branch_weighs_all_alike(
    sample_weights: list[NDArray[np.float32]],
) -> None:
    fit(switches=dataclasses.replace(SHORT, soft_weights=False))

    assert [[1.0] * len(TRAIN)] * 2 == [weights.tolist() for weights in sample_weights]


def test_a_samples_chance_to_stay_is_the_product_over_the_branches(
    sample_weights: list[NDArray[np.float32]], monkeypatch: pytest.MonkeyPatch
) -> None:
    factors = iter([np.linspace(0.2, 1, 120), np.linspace(1, 0.5, 120)])
    monkeypatch.setattr(recipe, "survival", lambda *_: next(factors).astype(np.float32))
    heads = [LinearHead((3,), 3) for _ in range(3)]
    train, calibration = (
        dataclasses.replace(p, reduced=(*p.reduced, p.reduced[1])) for p in (TRAIN, CALIBRATION)
    )

    train_branches(heads, ("a", "b", "c"), train, calibration, SHORT)

    expected = np.linspace(0.2, 1, 120) * np.linspace(1, 0.5, 120)
    np.testing.assert_allclose(sample_weights[2], expected / expected.mean(), rtol=1e-5)


def test_reports_tell_who_reached_a_branch_and_who_left_there() -> None:
    trained = fit()

    thresholds = calibrate(
        trained.table, CALIBRATION.truth, classes=3, margin=SHORT.train_margin, rule=SHORT.rule
    )
    left = np.bincount(choose_exits(trained.table, thresholds), minlength=4)
    accuracies = [(row == CALIBRATION.truth).mean() for row in trained.table.labels[:2]]
    assert ATTACH == tuple(report.attach for report in trained.reports)
    assert [80, 80 - left[1]] == [report.reached for report in trained.reports]
    assert [left[1], left[2]] == [report.left for report in trained.reports]
    assert accuracies == [report.calibration_accuracy for report in trained.reports]
    assert left[1] > 0


def test_the_table_holds_every_branchs_answers_and_the_backbones_own() -> None:
    trained = fit()

    for branch, head in enumerate(trained.heads):
        labels, scores = answers(head, CALIBRATION.reduced[branch])
        assert np.array_equal(labels, trained.table.labels[branch])
        assert np.array_equal(scores, trained.table.scores[branch])
    own = torch.softmax(torch.from_numpy(CALIBRATION.logits), 1).max(1)
    assert np.array_equal(own.indices.numpy(), trained.table.labels[2])
    assert np.array_equal(own.values.numpy(), trained.table.scores[2])


def test_labels_of_the_training_part_reach_nothing() -> None:
    relabelled = dataclasses.replace(TRAIN, truth=(TRAIN.truth + 1) % 3)

    first, other = fit(), fit(train=relabelled)

    assert all(is_same(first.weights(branch), other.weights(branch)) for branch in (0, 1))


@pytest.mark.parametrize("soft", [True, False])
def test_calibration_labels_reach_later_weights_through_soft_weighting_alone(soft: bool) -> None:
    """No label is trained on.

    But labels set branch 1's thresholds, which say how much each training sample counts for branch
    2: so they touch its weights unless weighting is off.
    """
    switches = dataclasses.replace(SHORT, soft_weights=soft)
    relabelled = dataclasses.replace(CALIBRATION, truth=(CALIBRATION.truth + 1) % 3)

    first, other = fit(switches=switches), fit(calibration=relabelled, switches=switches)

    assert is_same(first.weights(0), other.weights(0))
    assert soft != is_same(first.weights(1), other.weights(1))


def test_the_same_seed_gives_the_same_weights_and_another_others() -> None:
    first, again = fit(), fit()
    other = fit(switches=dataclasses.replace(SHORT, seed=1))

    assert all(is_same(first.weights(branch), again.weights(branch)) for branch in (0, 1))
    assert not is_same(first.weights(0), other.weights(0))
    assert first.reports == again.reports


def test_a_branch_learns_what_the_backbone_answers() -> None:
    trained = fit(switches=dataclasses.replace(SHORT, epochs=20))

    agreement = (trained.table.labels == trained.table.labels[-1]).mean(1)
    assert 0.6 < agreement[0] < agreement[1]
    assert agreement[1] > 0.9
    assert not any(module.training for head in trained.heads for module in head.modules())


def test_a_loss_of_nan_stops_training_and_says_where() -> None:
    logits = TRAIN.logits.copy()
    logits[3, 1] = np.nan

    with pytest.raises(
        TrainingError,
        match=r"^the loss is not finite \(training branch 1 at early, epochs 1\): got nan; expect",
    ):
        fit(train=dataclasses.replace(TRAIN, logits=logits))


def test_a_later_branch_is_named_too() -> None:
    spoilt = TRAIN.reduced[1].copy()
    spoilt[0] = np.inf

    with pytest.raises(TrainingError, match=r"\(training branch 2 at late, epochs 1\): got nan"):
        fit(train=dataclasses.replace(TRAIN, reduced=(TRAIN.reduced[0], spoilt)))


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("temperature", 0.0),
        ("softness", 0.0),
        ("weight_floor", -0.1),
        ("weight_floor", 1.1),
        ("epochs", 0),
        ("batch", 0),
        ("lr", 0.0),
        ("lr", math.nan),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(switch: str, value: float) -> None:
    switches: dict[str, Any] = {switch: value}

    with pytest.raises(InputError, match=f"^the recipe's {switch} cannot be used: got {value}$"):
        Recipe(**switches)


def test_prototypes_start_from_features_of_the_training_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[Tensor] = []
    monkeypatch.setattr(LinearHead, "initialise", lambda _, reduced: seen.append(reduced))

    fit()

    known = {row.tobytes() for row in TRAIN.reduced[0]}
    assert [64, 64] == [len(reduced) for reduced in seen]
    assert {row.numpy().tobytes() for row in seen[0]} <= known
