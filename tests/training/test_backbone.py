"""Training a backbone from scratch: it learns, repeats itself, and stops at a loss of NaN."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError, TrainingError
from calexnet.images.preprocessing import Preprocessing
from calexnet.training.backbone import check_loss, first_output, train_backbone
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.spec import BackboneTraining
from tests.support.small_cascade import is_same, tensors

PREPROCESSING = Preprocessing(8, 8, (0.45, 0.45, 0.45), (0.2, 0.2, 0.2))
PLAN = BackboneTraining(epochs=3, batch=32)


class Recorder(nn.Module):
    """A linear classifier that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x)
        answer: Tensor = self.linear(x.mean((2, 3)))
        return answer


def fit(network: nn.Module, data: Dataset, plan: BackboneTraining, count: int = 96) -> nn.Module:
    train_backbone(network, data.images[:count], data.labels[:count], PREPROCESSING, plan)
    return network


def tiny(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AvgPool2d(6), nn.Flatten()
    ).append(nn.Linear(8, 4))


def test_a_network_learns_and_ends_in_evaluation_mode(small_data: Dataset) -> None:
    network = fit(tiny(), small_data, dataclasses.replace(PLAN, epochs=8))

    images = PREPROCESSING.normalise(small_data.images[96:])
    answers = network(torch.from_numpy(images)).argmax(1).numpy()
    assert (answers == small_data.labels[96:]).mean() > 0.6  # a guess is right on a quarter
    assert not any(module.training for module in network.modules())


def test_the_same_seed_gives_the_same_weights_and_another_others(small_data: Dataset) -> None:
    first, again = (tensors(fit(tiny(), small_data, PLAN)) for _ in range(2))
    other = tensors(fit(tiny(), small_data, dataclasses.replace(PLAN, seed=1)))

    assert is_same(first, again)
    assert not is_same(first, other)


def test_every_epoch_shows_every_image_once(small_data: Dataset) -> None:
    network = Recorder()

    fit(network, small_data, dataclasses.replace(PLAN, epochs=2, shift=0), count=40)

    expected = np.sort(PREPROCESSING.normalise(small_data.images[:40]).sum((1, 2, 3)))
    epochs = torch.cat(network.seen).sum((1, 2, 3)).reshape(2, 40)
    for epoch in epochs:
        np.testing.assert_allclose(np.sort(epoch.numpy()), expected, rtol=1e-4, atol=1e-4)


def test_images_are_shifted_by_whole_pixels_and_their_edge_repeated() -> None:
    network = Recorder()
    image = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 3), dtype=np.uint8)
    plan = BackboneTraining(epochs=40, shift=2)

    train_backbone(network, image, np.array([0]), PREPROCESSING, plan)

    padded = np.pad(PREPROCESSING.normalise(image)[0], ((0, 0), (2, 2), (2, 2)), mode="edge")
    windows = {
        (y, x): padded[:, y : y + 8, x : x + 8] for y, x in itertools.product(range(5), repeat=2)
    }
    found = set()
    for batch in network.seen:
        matches = [at for at, window in windows.items() if np.array_equal(window, batch[0].numpy())]
        assert 1 == len(matches)
        found.add(matches[0])
    assert {0, 1, 2, 3, 4} == {y for y, _ in found} == {x for _, x in found}


def test_a_loss_of_nan_stops_training_and_says_where(small_data: Dataset) -> None:
    network: Any = tiny()
    with torch.no_grad():
        network[0].weight[0] = torch.nan

    with pytest.raises(
        TrainingError,
        match=r"^the loss is not finite \(the backbone's, epoch 1\): got nan; expected a number\. "
        r"Lower the learning rate, or look for NaN in the weights and images\.$",
    ):
        fit(network, small_data, PLAN)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_loss_must_be_finite(value: float) -> None:
    assert 1.5 == check_loss(torch.tensor(1.5), "mine")
    with pytest.raises(TrainingError, match=rf"^the loss is not finite \(mine\): got {value}"):
        check_loss(torch.tensor(value), "mine")


def test_a_loss_beyond_all_reason_stops_training_too() -> None:
    assert 1e5 == check_loss(torch.tensor(1e5), "mine")
    with pytest.raises(
        TrainingError, match=r"^the loss explodes \(mine\): got 10000000.0; expected at most 1e\+06"
    ):
        check_loss(torch.tensor(1e7), "mine")


def test_a_last_batch_of_one_image_does_not_stop_batch_normalisation(small_data: Dataset) -> None:
    """At 4x4 pixels the last stage holds a single position, whose spread one image cannot give."""
    data = dataclasses.replace(small_data, images=small_data.images[:, :4, :4])
    network = build(BackboneSpec("resnet8", 4))

    train_backbone(
        network,
        data.images[:33],
        data.labels[:33],
        Preprocessing(4, 4, PREPROCESSING.mean, PREPROCESSING.std),
        BackboneTraining(epochs=1, batch=32),
    )

    assert all(np.isfinite(tensor).all() for tensor in tensors(network).values())


@pytest.mark.parametrize(
    ("switch", "value"), [("epochs", 0), ("batch", 0), ("peak_lr", 0.0), ("shift", -1)]
)
def test_a_plan_that_cannot_be_followed_is_refused(switch: str, value: float) -> None:
    plan: dict[str, Any] = {switch: value}

    with pytest.raises(
        InputError, match=f"^the backbone training's {switch} cannot be used: got {value}$"
    ):
        BackboneTraining(**plan)


class WithAuxiliary(nn.Module):
    """A network that gives a tuple while it trains."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear, self.auxiliary = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Any:
        mean = x.mean((2, 3))
        return (self.linear(mean), self.auxiliary(mean)) if self.training else self.linear(mean)


def test_of_several_outputs_the_first_is_trained(small_data: Dataset) -> None:
    torch.manual_seed(0)
    network, alone = WithAuxiliary(), Recorder()
    alone.linear.load_state_dict(network.linear.state_dict())
    before = tensors(network.auxiliary)

    fit(network, small_data, PLAN)
    fit(alone, small_data, PLAN)

    assert is_same(tensors(alone.linear), tensors(network.linear))
    assert is_same(before, tensors(network.auxiliary))


@pytest.mark.parametrize("said", [3, (3, 4), [3], ((3, 4), 5), {"out": 3, "aux": 4}])
def test_the_first_output_is_found_in_whatever_holds_it(said: Any) -> None:
    assert 3 == first_output(said)
