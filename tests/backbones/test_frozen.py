"""A frozen backbone: nothing about it moves, and its features are its modules' outputs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calexnet.backbones import BackboneSpec, build
from calexnet.backbones.frozen import RESERVED, FrozenBackbone
from calexnet.errors import InputError
from tests.small_cascade import is_same, tensors


class Odd(nn.Module):
    """Sub-modules that nothing can be attached to, beside one that works."""

    def __init__(self, answer: Any = None) -> None:
        super().__init__()
        self.answer = answer
        self.conv = nn.Conv2d(3, 4, 3)
        self.pair = Pair()
        self.idle = nn.Identity()
        self.flat = nn.Flatten(0, 1)
        self.scores = nn.Linear(4, 2)
        self.label = nn.Identity()

    def forward(self, x: Tensor) -> Any:
        x = self.label(self.conv(x))
        self.flat(self.pair(x)[0])
        logits = self.scores(x.mean((2, 3)))
        return logits if self.answer is None else self.answer(logits)


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


@pytest.fixture
def backbone() -> FrozenBackbone:
    torch.manual_seed(0)
    return FrozenBackbone(build(BackboneSpec("resnet8", 4)), ("layer1", "layer2.0.conv1"))


def test_nothing_moves_in_training_mode(backbone: FrozenBackbone) -> None:
    before = tensors(backbone)

    backbone.train()
    backbone.network.train(backbone.training)
    backbone(torch.randn(4, 3, 8, 8))

    assert is_same(before, tensors(backbone))
    assert not any(module.training for module in backbone.modules())
    nn.Sequential(backbone).train()
    assert not any(module.training for module in backbone.modules())


def test_no_parameter_takes_a_gradient(backbone: FrozenBackbone) -> None:
    images = torch.randn(2, 3, 8, 8, requires_grad=True)

    backbone(images)[-1].sum().backward()

    assert images.grad is not None
    assert all(p.grad is None and not p.requires_grad for p in backbone.parameters())


def test_features_are_what_the_modules_give_and_logits_what_the_network_gives(
    backbone: FrozenBackbone,
) -> None:
    images = torch.randn(3, 3, 8, 8)
    network: Any = backbone.network

    layer1, conv1, logits = backbone(images)

    first = torch.relu(network.bn1(network.conv1(images)))
    assert torch.equal(network.layer1(first), layer1)
    assert torch.equal(network.layer2[0].conv1(layer1), conv1)
    assert torch.equal(network(images), logits)
    assert not any(module._forward_hooks for module in network.modules())


def test_features_come_in_the_order_asked_for() -> None:
    network = build(BackboneSpec("resnet8", 4))

    shapes = FrozenBackbone(network, ("layer3", "conv1")).check((3, 8, 8), 4)

    assert [(64, 2, 2), (16, 8, 8)] == shapes


def test_a_check_gives_the_shape_of_one_samples_features(backbone: FrozenBackbone) -> None:
    assert [(16, 8, 8), (32, 4, 4)] == backbone.check((3, 8, 8), 4)


@pytest.mark.parametrize(
    ("attach", "message"),
    [
        (("layer9",), r"^no such attach point: got 'layer9'; expected one of conv1, bn1, layer1, "),
        (("",), r"^no such attach point: got ''"),
        (("layer1", "layer1"), r"^the attach points cannot be used: got layer1, layer1; expected"),
        ((), r"^the attach points cannot be used: got none; expected at least one"),
    ],
)
def test_attach_points_that_cannot_be_used_are_told(attach: tuple[str, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FrozenBackbone(build(BackboneSpec("resnet8", 4)), attach)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_names_of_the_segments_own_tensors_are_reserved(name: str) -> None:
    network = nn.Sequential()
    network.add_module(name, nn.Identity())

    with pytest.raises(InputError, match=f"^no such attach point: got '{name}'"):
        FrozenBackbone(network, (name,))


@pytest.mark.parametrize(
    ("attach", "message"),
    [
        ("idle", r"^an attach point is never reached: got 'idle'; expected a module that runs in"),
        ("pair", r"^a branch cannot be attached at pair: got <class 'tuple'>; expected features"),
        ("flat", r"^a branch cannot be attached at flat: got \(8, 6, 6\); expected features"),
    ],
)
def test_a_module_without_features_is_told(attach: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        FrozenBackbone(Odd(), (attach,)).check((3, 8, 8), 2)


def test_another_number_of_logits_is_told() -> None:
    with pytest.raises(
        InputError,
        match=r"^the backbone does not fit the data: got 2 logits; expected 10, one a class$",
    ):
        FrozenBackbone(Odd(), ("conv",)).check((3, 8, 8), 10)


@pytest.mark.parametrize(
    "answer",
    [lambda logits: (logits, logits), lambda logits: {"logits": logits}],
    ids=["a tuple", "a dictionary"],
)
def test_a_network_that_answers_with_no_tensor_is_told(answer: Any) -> None:
    with pytest.raises(
        InputError, match=r"^the backbone does not fit the data: got .*(tuple|dict)"
    ):
        FrozenBackbone(Odd(answer), ("conv",)).check((3, 8, 8), 2)


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 2, 2)], ids=["grey", "too small"])
def test_images_that_the_network_cannot_take_are_told(image: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"^the backbone does not fit the data: got "):
        FrozenBackbone(Odd(), ("conv",)).check(image, 2)
