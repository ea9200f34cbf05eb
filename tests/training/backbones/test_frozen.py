"""A frozen backbone: nothing about it moves, and its features are its modules' outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.fx
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.manifest import RESERVED
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.backbones.frozen import FrozenBackbone, handed
from tests.support.small_cascade import is_same, tensors


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
    ("answer", "message"),
    [
        (
            lambda logits: [logits, logits],
            r"got a list of 2 from forward; expected logits \(n, 2\)\. Return the last logits "
            r"alone; modules that are trained exits already are named by --method trained --exi",
        ),
        (lambda logits: (logits, logits), r"got a tuple of 2 from forward; .* --method trained"),
        (lambda logits: {"logits": logits}, r"got a dict from forward; .*Return the logits alone"),
        (lambda logits: logits[:, :, None], r"got a tensor \(2, 2, 1\) for two images; expected 2"),
    ],
)
def test_a_network_that_answers_with_no_logits_is_told(answer: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^the backbone does not fit the data: {message}"):
        FrozenBackbone(Odd(answer), ("conv",)).check((3, 8, 8), 2)


@pytest.mark.parametrize("one", [lambda z: z[:, :1], lambda z: z[:, 0]], ids=["(n, 1)", "(n,)"])
def test_one_number_for_two_classes_is_told_with_the_line_that_makes_two(one: Any) -> None:
    def advised(logits: Tensor) -> Tensor:
        z = one(logits)
        z = z.flatten()
        return torch.stack([torch.zeros_like(z), z], 1)

    with pytest.raises(InputError) as refused:
        FrozenBackbone(Odd(one), ("conv",)).check((3, 8, 8), 2)

    assert "got one number an image, as a sigmoid takes it; expected two logits" in str(
        refused.value
    )
    assert "return torch.stack([torch.zeros_like(z), z], 1)" in str(refused.value)
    torch.manual_seed(0)
    backbone, images = FrozenBackbone(Odd(advised), ("conv",)), torch.randn(4, 3, 8, 8)
    assert [(4, 6, 6)] == backbone.check((3, 8, 8), 2)
    two = torch.softmax(backbone(images)[1], 1)
    z = backbone.network.scores(backbone.network.conv(images).mean((2, 3)))  # type: ignore[operator]
    assert torch.allclose(torch.sigmoid(one(z).flatten()), two[:, 1])


def traced(network: nn.Module) -> Any:
    return torch.jit.trace(network, torch.zeros(2, 3, 8, 8))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (torch.jit.script, "RecursiveScriptModule of torch.jit"),
        (traced, "TracedModule of torch.jit"),
        (torch.compile, "OptimizedModule of torch._dynamo"),
        (nn.DataParallel, "DataParallel of torch.nn.parallel"),
        (
            lambda net: torch.export.export(net, (torch.zeros(2, 3, 8, 8),)).module(),
            "_StatefulGraphModule of torch.export",
        ),
    ],
    ids=["scripted", "traced", "compiled", "parallel", "exported"],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_made_of_a_network_is_told_apart_from_it(make: Any, kind: str) -> None:
    network = build(BackboneSpec("resnet8", 4)).eval()

    with pytest.raises(
        InputError,
        match=rf"^branches cannot be attached to this network: got a \w*{kind}, whose modules canno"
        r"t be listened to; expected the torch\.nn\.Module .*\. Return that from the builder\.$",
    ):
        FrozenBackbone(make(network), ("layer1",))


def test_a_network_whose_sizes_are_not_known_is_told() -> None:
    with pytest.raises(
        InputError,
        match=r"^the network's sizes are not known yet: got 1\.weight, a lazy parameter; .*run it",
    ):
        FrozenBackbone(nn.Sequential(nn.Conv2d(3, 4, 3), nn.LazyLinear(2)), ("0",))


def test_a_symbolic_trace_is_told_that_it_runs_its_innermost_modules_alone() -> None:
    traced = torch.fx.symbolic_trace(build(BackboneSpec("resnet8", 4)))

    assert [(16, 8, 8)] == FrozenBackbone(traced, ("layer1.0.bn2",)).check((3, 8, 8), 4)
    with pytest.raises(
        InputError, match=r"never reached: got 'layer1'.* return the network itself"
    ):
        FrozenBackbone(traced, ("layer1",)).check((3, 8, 8), 4)


class Refusing(nn.Module):
    """Raises whatever it is told to."""

    def __init__(self, problem: Exception) -> None:
        super().__init__()
        self.problem = problem
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        raise self.problem


@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (ValueError("expected 224 x 224\nand more"), "ValueError: expected 224 x 224"),
        (AssertionError(), "AssertionError"),
        (KeyError("conv"), "KeyError: 'conv'"),
        (TypeError("forward() takes 3"), r"TypeError: forward\(\) takes 3"),
    ],
)
def test_whatever_forward_raises_is_one_message_with_the_line(
    problem: Exception, said: str
) -> None:
    with pytest.raises(
        InputError,
        match=rf"^the backbone does not fit the data: got {said} \(test_frozen\.py, line \d+: "
        r"raise self\.problem\); expected a network for images \(3, 8, 8\), channels first$",
    ):
        FrozenBackbone(Refusing(problem), ("conv",)).check((3, 8, 8), 2)


@pytest.mark.parametrize("image", [(1, 8, 8), (3, 2, 2)], ids=["grey", "too small"])
def test_images_that_the_network_cannot_take_are_told(image: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match=r"^the backbone does not fit the data: got "):
        FrozenBackbone(Odd(), ("conv",)).check(image, 2)


def test_images_are_handed_channels_first_unless_a_network_takes_any_strides() -> None:
    images = np.random.default_rng(0).random((2, 4, 6, 3), np.float32).transpose(0, 3, 1, 2)

    first, last = (handed(net, images) for net in (Odd(), build(BackboneSpec("resnet8", 4))))

    assert [True, False] == [first.is_contiguous(), last.is_contiguous()]
    assert np.array_equal(images, first.numpy())
    assert np.array_equal(images, last.numpy())
