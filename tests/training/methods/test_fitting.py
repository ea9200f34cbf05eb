"""Fitting: how long, in which order, and where it stops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from calexnet.errors import InputError, TrainingError
from calexnet.training.methods.fitting import Rows, fit
from calexnet.training.spec import LARGE, Optimisation


class Point(nn.Module):
    """One weight, to be moved."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def squared_distance(self, target: float) -> Tensor:
        return (self.weight - target).square().sum()


@pytest.mark.parametrize(
    ("count", "plan", "expected"),
    [
        (640, Optimisation(), (40, 10)),
        (LARGE - 1, Optimisation(), (40, 156)),
        (LARGE, Optimisation(), (15, 39)),
        (640, Optimisation(epochs=3, batch=100), (3, 6)),
        (LARGE, Optimisation(epochs=3), (3, 39)),
        (LARGE, Optimisation(batch=1000), (15, 10)),
        (10, Optimisation(), (40, 1)),
    ],
)
def test_the_length_follows_from_the_count_unless_given(
    count: int, plan: Optimisation, expected: tuple[int, int]
) -> None:
    assert expected == plan.length(count)


def drawn(plan: Optimisation, count: int, **options: Any) -> list[list[int]]:
    """Return the rows of every step."""
    seen: list[list[int]] = []
    point = Point()

    def loss_of(rows: Rows) -> Tensor:
        seen.append(rows.tolist())
        return point.squared_distance(1.0)

    fit([point], loss_of, count, plan, "fitting", **options)
    return seen


def test_every_sample_is_seen_once_an_epoch_in_another_order_each_time() -> None:
    steps = drawn(Optimisation(epochs=2, batch=5), 23)

    epochs = [[row for rows in half for row in rows] for half in (steps[:4], steps[4:])]
    assert [6, 6, 6, 5] * 2 == [len(rows) for rows in steps]
    assert [list(range(23))] * 2 == [sorted(rows) for rows in epochs]
    assert epochs[0] != epochs[1]


def test_the_order_follows_from_the_seed() -> None:
    plans = [Optimisation(epochs=2, batch=5, seed=seed) for seed in (0, 0, 1)]

    first, again, other = (drawn(plan, 23) for plan in plans)

    assert first == again
    assert first != other


def test_chances_say_how_often_a_sample_is_drawn() -> None:
    chances = np.array([0.0, 1.0, 3.0], np.float32)

    steps = drawn(Optimisation(epochs=2000, batch=3), 3, chances=chances)

    often = np.bincount(np.concatenate(steps), minlength=3) / 6000
    np.testing.assert_allclose(often, [0, 0.25, 0.75], atol=0.03)


def test_the_loss_is_the_last_epochs_mean_over_samples() -> None:
    """23 samples in steps of 6, 6, 6 and 5: each counts by its samples."""
    losses = iter([9.0] * 4 + [1.0, 2.0, 3.0, 4.0])
    point = Point()

    def loss_of(rows: Rows) -> Tensor:
        return point.weight.sum() * 0 + next(losses)

    found = fit([point], loss_of, 23, Optimisation(epochs=2, batch=5), "fitting")

    assert pytest.approx((6 * (1 + 2 + 3) + 5 * 4) / 23) == found


def test_all_modules_learn_and_are_left_in_evaluation_mode() -> None:
    points = [Point(), Point()]
    modes = []

    def loss_of(rows: Rows) -> Tensor:
        modes.append([point.training for point in points])
        return points[0].squared_distance(1.0) + points[1].squared_distance(-1.0)

    plan = Optimisation(epochs=200, batch=4, lr=0.05, weight_decay=0.0)
    loss = fit(points, loss_of, 4, plan, "fitting")

    assert loss < 1e-3
    np.testing.assert_allclose([p.weight.item() for p in points], [1, -1], atol=0.03)
    assert [True, True] == modes[0]
    assert [False, False] == [point.training for point in points]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_lost_names_epoch_and_step(bad: float) -> None:
    losses = iter([1.0] * 5 + [bad])
    point = Point()

    with pytest.raises(
        TrainingError,
        match=rf"^the loss is not finite \(fitting, epoch 2, step 2\): got {bad}; expected a numb",
    ):
        fit(
            [point],
            lambda rows: point.weight.sum() * 0 + next(losses),
            16,
            Optimisation(epochs=3, batch=4),
            "fitting",
        )


@pytest.mark.parametrize(
    ("switch", "value"),
    [
        ("epochs", 0),
        ("batch", 0),
        ("lr", 0.0),
        ("lr", math.nan),
        ("weight_decay", -1.0),
    ],
)
def test_an_optimisation_that_cannot_be_followed_is_refused(switch: str, value: float) -> None:
    switches: dict[str, Any] = {switch: value}

    with pytest.raises(
        InputError, match=f"^the optimisation's {switch} cannot be used: got {value}$"
    ):
        Optimisation(**switches)
