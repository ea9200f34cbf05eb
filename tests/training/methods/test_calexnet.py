"""The recipe: its equations worked by hand, and what may and may not reach a branch's weights."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from calexnet.errors import InputError, TrainingError
from calexnet.gating import NEVER
from calexnet.training.features import Features
from calexnet.training.methods import calexnet
from calexnet.training.methods.base import Task, ask, exit_table
from calexnet.training.methods.calexnet import CalexNet, effective_samples, normalised, survival
from tests.support.small_cascade import is_same
from tests.training.methods.tasks import SHORT, Trained, fit, fresh, part, task

TASK = task()
Weights = list["NDArray[np.float32]"]


@pytest.fixture
def sample_weights(monkeypatch: pytest.MonkeyPatch) -> Weights:
    """The weights that each branch is trained with, once something was trained."""
    seen: Weights = []
    scale = calexnet.normalised

    def spy(weights: NDArray[np.float32]) -> NDArray[np.float32]:
        seen.append(scale(weights))
        return seen[-1]

    monkeypatch.setattr(calexnet, "normalised", spy)
    return seen


def first_thresholds(trained: Trained, given: Task) -> NDArray[np.float32]:
    """Return the thresholds that are found after the first branch, from what it now answers."""
    exits = exit_table(trained.branches, given.calibration)
    table = given.rule.calibrate(exits, given.calibration.truth, 3, given.setting)
    first: NDArray[np.float32] = table[0]
    return first


def test_survival_worked_by_hand() -> None:
    labels = np.array([0, 0, 0, 1], np.int32)
    scores = np.array([0.8, 0.8, 0.6, 0.55], np.float32)
    threshold = np.array([0.7, NEVER], np.float32)

    staying = survival(labels, scores, threshold, 0.1)

    e = math.e
    np.testing.assert_allclose(staying, [1 / (1 + e), 1 / (1 + e), e / (1 + e), 1.0], rtol=1e-5)
    assert np.float32 == staying.dtype


@pytest.mark.parametrize(("threshold", "expected"), [(0.7, [0, 1]), (NEVER, [1, 1])])
def test_a_soft_gate_of_no_width_is_the_hard_filter(threshold: float, expected: list[int]) -> None:
    staying = survival(
        np.zeros(2, np.int32),
        np.array([0.8, 0.6], np.float32),
        np.array([threshold], np.float32),
        1e-6,
    )

    assert expected == staying.tolist()


@pytest.mark.parametrize(
    ("weights", "expected"),
    [([1, 1, 1, 1], 4), ([3, 3], 2), ([1, 0, 0], 1), ([2, 1, 1], 16 / 6)],
)
def test_effective_samples_worked_by_hand(weights: list[float], expected: float) -> None:
    assert pytest.approx(expected) == effective_samples(np.array(weights, np.float32))


def test_weights_are_scaled_to_a_mean_of_one() -> None:
    assert [0.5, 1.5] == normalised(np.array([1, 3], np.float32)).tolist()


def test_the_first_branch_weighs_all_alike_and_the_second_those_that_stay(
    sample_weights: Weights,
) -> None:
    trained = fit(CalexNet(), TASK)

    threshold = first_thresholds(trained, TASK)
    labels, scores = ask(trained.branches[:1], TASK.train.reduced[:1])
    leaves = scores[0] >= threshold[labels[0]]
    staying = np.maximum(survival(labels[0], scores[0], threshold, 0.1), CalexNet.weight_floor)
    first, second = sample_weights
    assert [1.0] * len(TASK.train) == first.tolist()
    np.testing.assert_allclose(second, staying / staying.mean(), rtol=1e-5)
    assert 10 < leaves.sum() < len(TASK.train) - 10
    assert second[leaves].max() < second[~leaves].mean()
    worth = trained.outcome.effective_samples
    assert (len(TASK.train), effective_samples(second)) == worth
    assert worth[1] is not None
    assert worth[1] < len(TASK.train) - 1


def test_weights_never_fall_below_the_floor(sample_weights: Weights) -> None:
    fit(CalexNet(weight_floor=1.0))

    assert [1.0] * len(TASK.train) == sample_weights[1].tolist()


def test_a_floor_of_nothing_takes_the_hard_filter_at_its_word(sample_weights: Weights) -> None:
    fit(CalexNet(weight_floor=0.0, softness=1e-6))

    assert 0.0 == sample_weights[1].min()
    assert 2 == len(set(sample_weights[1].tolist()))


def test_without_soft_weights_every_branch_weighs_all_alike(sample_weights: Weights) -> None:
    fit(CalexNet(soft_weights=False))

    assert [[1.0] * len(TASK.train)] * 2 == [weights.tolist() for weights in sample_weights]


def test_a_samples_chance_to_stay_is_the_product_over_the_branches(
    sample_weights: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    factors = [np.linspace(0.2, 1, 120), np.linspace(1, 0.5, 120)]
    left = iter(factors)
    monkeypatch.setattr(calexnet, "survival", lambda *_: next(left).astype(np.float32))

    fit(CalexNet(), task(3))

    expected = factors[0] * factors[1]
    np.testing.assert_allclose(sample_weights[2], expected / expected.mean(), rtol=1e-5)


def by_hand(switches: CalexNet, weights: NDArray[np.float32]) -> float:
    """Return the loss of an untrained first branch over the whole training part."""
    with torch.no_grad():
        logits = fresh(switches)[0].head.classify(torch.from_numpy(TASK.train.reduced[0]))
        student = torch.log_softmax(logits, 1)
        teacher = torch.from_numpy(TASK.train.logits)
        told = -student[torch.arange(120), torch.from_numpy(TASK.train.truth)]
        followed = -student[torch.arange(120), teacher.argmax(1)]
        t = switches.temperature
        hot = torch.softmax(teacher / t, 1)
        log_ratio = torch.log_softmax(teacher / t, 1) - torch.log_softmax(logits / t, 1)
        distilled = t * t * (hot * log_ratio).sum(1)
    kinds = {"labels": told, "argmax": followed, "distillation": distilled}
    each = kinds[switches.target]
    if switches.target != "labels":
        each = (1 - switches.label_share) * each + switches.label_share * told
    return float((each * torch.from_numpy(weights)).mean())


@pytest.mark.parametrize(
    "switches",
    [
        CalexNet(),
        CalexNet(temperature=1.5),
        CalexNet(label_share=0.25),
        CalexNet(label_share=1.0),
        CalexNet(target="argmax"),
        CalexNet(target="argmax", label_share=0.5),
        CalexNet(target="labels"),
        CalexNet(target="labels", label_share=0.5),
    ],
)
def test_each_target_is_the_loss_it_says(switches: CalexNet) -> None:
    """One step over all samples: its loss is that of the starting weights."""
    one_step = task(optimisation=dataclasses.replace(SHORT, epochs=1, batch=120))

    found = fit(switches, one_step).outcome.losses[0]

    assert pytest.approx(by_hand(switches, np.ones(120, np.float32)), rel=1e-4) == found


@pytest.mark.parametrize("weights_as", ["loss", "sampling"])
def test_weights_scale_the_loss_or_the_chance_of_being_drawn(
    monkeypatch: pytest.MonkeyPatch, weights_as: Any
) -> None:
    """Half of the samples weigh nothing: with either, only the others count."""
    halves = np.tile(np.array([0.0, 2.0], np.float32), 60)
    monkeypatch.setattr(calexnet, "normalised", lambda _: halves)
    drawn = []
    losses = CalexNet._losses

    def spy(self: CalexNet, logits: Any, rows: NDArray[np.intp], train: Features) -> Any:
        drawn.extend(rows.tolist())
        return losses(self, logits, rows, train)

    monkeypatch.setattr(CalexNet, "_losses", spy)
    switches = CalexNet(weights_as=weights_as)
    one_step = task(optimisation=dataclasses.replace(SHORT, epochs=1, batch=120))

    found = fit(switches, one_step).outcome.losses[0]

    if weights_as == "loss":
        assert list(range(120)) == sorted(drawn[:120])
        assert pytest.approx(by_hand(switches, halves), rel=1e-4) == found
    else:
        assert {1} == {row % 2 for row in drawn[:120]}


def test_branches_learn_in_order_and_a_later_one_changes_no_earlier_one() -> None:
    given = task(3)
    parts = {"train": given.train, "calibration": given.calibration}
    first_two = {
        name: dataclasses.replace(part, reduced=part.reduced[:2]) for name, part in parts.items()
    }

    deep, shallow = fit(CalexNet(), given), fit(CalexNet(), task(2, **first_two))

    assert all(is_same(shallow.weights(k), deep.weights(k)) for k in (0, 1))
    assert shallow.outcome.losses == deep.outcome.losses[:2]
    assert shallow.outcome.effective_samples == deep.outcome.effective_samples[:2]


@pytest.mark.parametrize(
    ("switches", "told"),
    [
        (CalexNet(), False),
        (CalexNet(target="argmax"), False),
        (CalexNet(target="labels"), True),
        (CalexNet(label_share=0.5), True),
    ],
)
def test_labels_of_the_training_part_reach_only_who_asks_for_them(
    switches: CalexNet, told: bool
) -> None:
    relabelled = dataclasses.replace(TASK.train, truth=(TASK.train.truth + 1) % 3)

    first, other = fit(switches), fit(switches, task(train=relabelled))

    same = [is_same(first.weights(k), other.weights(k)) for k in (0, 1)]
    assert [not told] * 2 == same


@pytest.mark.parametrize("soft", [True, False])
def test_calibration_labels_reach_later_weights_through_soft_weighting_alone(soft: bool) -> None:
    """No label is trained on.

    But labels set branch 1's thresholds, which say how much each training sample counts for branch
    2: so they touch its weights unless weighting is off.
    """
    switches = CalexNet(soft_weights=soft)
    relabelled = dataclasses.replace(TASK.calibration, truth=(TASK.calibration.truth + 1) % 3)

    first, other = fit(switches), fit(switches, task(calibration=relabelled))

    assert is_same(first.weights(0), other.weights(0))
    assert soft != is_same(first.weights(1), other.weights(1))


def test_another_seed_gives_other_weights() -> None:
    other = fit(CalexNet(), task(optimisation=dataclasses.replace(SHORT, seed=1)))

    assert not is_same(fit(CalexNet()).weights(0), other.weights(0))


def test_a_branch_learns_what_the_backbone_answers() -> None:
    given = task(optimisation=dataclasses.replace(SHORT, epochs=20))

    table = exit_table(fit(CalexNet(), given).branches, given.calibration)

    agreement = (table.labels == table.labels[-1]).mean(1)
    assert 0.6 < agreement[0] < agreement[1]
    assert agreement[1] > 0.9


def test_a_loss_of_nan_stops_training_and_says_where() -> None:
    logits = TASK.train.logits.copy()
    logits[3, 1] = np.nan

    with pytest.raises(
        TrainingError,
        match=r"^the loss is not finite \(training branch 1 at early, epoch 1, step \d\): got nan",
    ):
        fit(CalexNet(), task(train=dataclasses.replace(TASK.train, logits=logits)))


def test_a_later_branch_is_named_too() -> None:
    spoilt = TASK.train.reduced[1].copy()
    spoilt[0] = np.inf
    train = dataclasses.replace(TASK.train, reduced=(TASK.train.reduced[0], spoilt))

    with pytest.raises(TrainingError, match=r"\(training branch 2 at late, epoch 1, step \d\)"):
        fit(CalexNet(), task(train=train))


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("temperature", 0.0),
        ("softness", 0.0),
        ("label_share", -0.1),
        ("label_share", 1.1),
        ("weight_floor", -0.1),
        ("weight_floor", 1.1),
    ],
)
def test_a_recipe_that_cannot_be_followed_is_refused(switch: str, value: float) -> None:
    switches: dict[str, Any] = {switch: value}

    with pytest.raises(InputError, match=f"^the recipe's {switch} cannot be used: got {value}$"):
        CalexNet(**switches)


def test_sampled_weights_of_a_part_smaller_than_a_batch_still_train() -> None:
    small = task(train=part(10, 4), optimisation=dataclasses.replace(SHORT, batch=64))

    trained = fit(CalexNet(weights_as="sampling"), small)

    assert all(loss is not None and loss > 0 for loss in trained.outcome.losses)
