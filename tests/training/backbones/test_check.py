"""A network that cannot be a cascade is found on a few images, with the true reason."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.training.backbones import BUILT_IN, BackboneSpec, build, check, default_attach
from calexnet.training.backbones.frozen import FrozenBackbone
from tests.support.small_cascade import is_same, tensors

CLASSES = 4


def images() -> Tensor:
    random = np.random.default_rng(0)
    raw = random.integers(0, 256, (check.IMAGES, 16, 16, 3), dtype=np.uint8)
    preprocessing = Preprocessing(16, 16, (0.4, 0.5, 0.6), (0.2, 0.2, 0.2))
    return torch.from_numpy(preprocessing.normalise(raw))


class Net(nn.Module):
    """Two stages and a linear layer; a test says what is odd about it."""

    def __init__(
        self,
        before: Callable[[Tensor], Tensor] = lambda x: x,
        after: Callable[[nn.Module, Tensor], Any] = lambda net, logits: logits,
        norm: nn.Module | None = None,
    ) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.before, self.after = before, after
        self.one = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), norm or nn.BatchNorm2d(8), nn.ReLU())
        self.two = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.fc = nn.Linear(8, CLASSES)
        self.aux = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Any:
        y = self.two(self.one(self.before(x)))
        return self.after(self, self.fc(y.mean((2, 3))))


def checked(network: nn.Module, attach: tuple[str, ...] = ("one",)) -> None:
    check.check(FrozenBackbone(network, attach), images())


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_backbone_passes(name: str) -> None:
    backbone = FrozenBackbone(build(BackboneSpec(name, CLASSES)), default_attach(name))

    check.check(backbone, images())
    check.check_capture(backbone, images())

    assert 0 == check.auxiliary_outputs(backbone.network, images(), CLASSES)


@pytest.mark.parametrize(
    ("before", "where"),
    [
        (lambda x: x - x.mean(), "one.0"),
        (lambda x: x / x.max(), "one.0"),
        (lambda x: x / len(x), "one.0"),
    ],
    ids=["mean", "maximum", "size"],
)
def test_an_image_must_not_depend_on_the_others(
    before: Callable[[Tensor], Tensor], where: str
) -> None:
    with pytest.raises(
        InputError,
        match=r"^an image's answer depends on the others in its batch: got numbers that differ by "
        rf"[\d.]+% of the largest, and \d+ of 16 other labels, for the same images alone, first "
        rf"after {where}; expected .* Take statistics of each image by itself: x\.mean\(\(1, 2, 3",
    ):
        checked(Net(before))


def test_statistics_of_each_image_are_its_own() -> None:
    checked(Net(lambda x: x - x.mean((1, 2, 3), keepdim=True), norm=nn.InstanceNorm2d(8)))


def test_batch_normalisation_without_running_statistics_is_named() -> None:
    with pytest.raises(
        InputError,
        match=r"^an image's answer depends .* first after one\.1; .* Give one\.1 running statistic"
        r"s: track_running_stats=True\.$",
    ):
        checked(Net(norm=nn.BatchNorm2d(8, track_running_stats=False)))


def test_a_squeeze_that_drops_the_batch_of_one_is_told() -> None:
    squeezed = Net(after=lambda net, logits: logits[:, :, None].squeeze())

    with pytest.raises(
        InputError,
        match=r"^the network cannot answer one image alone: got an output of shape \(4,\); expected"
        r" \(1, 4\)\. Write x\.flatten\(1\) for a squeeze",
    ):
        checked(squeezed)


def test_a_network_that_raises_for_one_image_is_told() -> None:
    def pairs(x: Tensor) -> Tensor:
        if len(x) == 1:
            raise ValueError("images come in pairs")
        return x

    with pytest.raises(
        InputError,
        match=r"^the network cannot answer one image alone: got .*ValueError: images come in pairs",
    ):
        checked(Net(pairs), attach=("two",))


def test_dropout_left_on_is_named() -> None:
    with pytest.raises(
        InputError,
        match=r"^the network answers the same images differently each time: got numbers that differ"
        r" by [\d.]+% of the largest, first after one\.0; .*dropout\(x, training=self\.training\)",
    ):
        checked(Net(lambda x: functional.dropout(x)))


def test_dropout_that_rests_is_fine() -> None:
    network = Net(after=lambda net, z: functional.dropout(z, training=net.training))

    checked(network)

    assert 0 == check.auxiliary_outputs(network, images(), CLASSES)


@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_probabilities_are_named(scale: float) -> None:
    with pytest.raises(
        InputError,
        match=r"^the network answers with probabilities: got rows that are not negative and sum to "
        r"1, on 16 images; expected logits: .*Leave the softmax at the end of forward out",
    ):
        checked(Net(after=lambda net, z: (scale * z).softmax(1)))


@pytest.mark.parametrize("logits", ["log_softmax", "logsigmoid", "relu"])
def test_what_a_softmax_takes_well_is_no_probability(logits: str) -> None:
    made = {
        "log_softmax": lambda net, z: z.log_softmax(1),
        "logsigmoid": lambda net, z: functional.logsigmoid(z),
        "relu": lambda net, z: z.relu(),
    }

    checked(Net(after=made[logits]))


def test_a_sigmoid_for_each_class_is_named() -> None:
    with pytest.raises(
        InputError,
        match=r"^the network answers with a sigmoid for each class: got 4 numbers .*multi-label.*"
        r"If one class is right, leave the sigmoid at the end of forward out",
    ):
        checked(Net(after=lambda net, z: z.sigmoid()))


def test_answers_that_are_no_numbers_are_told() -> None:
    with pytest.raises(
        InputError,
        match=r"^the network's answers are no numbers: got NaN or infinity for 16 of 16 images",
    ):
        checked(Net(after=lambda net, z: z / 0))


def test_attach_points_out_of_order_are_told_with_the_order() -> None:
    with pytest.raises(
        InputError,
        match=r"^the attach points are out of order: got two, one; expected the order in which data"
        r" reaches them: one,two\. Reorder --attach\.$",
    ):
        checked(Net(), attach=("two", "one"))


def test_a_module_that_runs_twice_is_told() -> None:
    twice = Net(norm=nn.Identity())
    twice.before = twice.one[1]

    with pytest.raises(
        InputError, match=r"^a branch cannot be attached at one\.1: got a module that runs 2 times"
    ):
        checked(twice, attach=("one.1",))


Outputs = namedtuple("Outputs", "logits aux")


def both(net: Any, z: Tensor) -> Any:
    return (z, net.aux(z.new_ones(len(z), 8)))


@pytest.mark.parametrize(
    "form",
    [
        lambda net, z: both(net, z) if net.training else z,
        lambda net, z: list(both(net, z)) if net.training else z,
        lambda net, z: Outputs(*both(net, z)) if net.training else z,
        lambda net, z: OrderedDict(out=z, aux=both(net, z)[1]) if net.training else z,
    ],
    ids=["tuple", "list", "named", "dictionary"],
)
def test_auxiliary_outputs_of_training_are_counted_and_nothing_moves(form: Any) -> None:
    network = Net(after=form).eval()
    before = tensors(network)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)

    assert 1 == check.auxiliary_outputs(network, images(), CLASSES)

    assert is_same(before, tensors(network))
    assert not any(module.training for module in network.modules())
    assert expected == torch.rand(1), "no number is drawn"


def test_an_answer_that_is_not_the_first_output_of_training_is_told() -> None:
    network = Net(after=lambda net, z: both(net, z)[::-1] if net.training else z).eval()

    with pytest.raises(
        InputError,
        match=r"^the network's first output in training mode is not its answer: got its answer as "
        r"output 2 of 2; expected the answer first",
    ):
        check.auxiliary_outputs(network, images(), CLASSES)


def test_a_training_mode_that_raises_is_told_with_the_line() -> None:
    def fail(net: nn.Module, z: Tensor) -> Tensor:
        assert not net.training, "evaluation only"
        return z

    with pytest.raises(
        InputError,
        match=r"^the network cannot be trained: got AssertionError: evaluation only.* \(test_check"
        r"\.py, line \d+: assert not net\.training.*give --weights",
    ):
        check.auxiliary_outputs(Net(after=fail).eval(), images(), CLASSES)


def test_other_logits_in_training_mode_are_told() -> None:
    network = Net(after=lambda net, z: z[:, :2] if net.training else z).eval()

    with pytest.raises(
        InputError,
        match=r"^the network cannot be trained: got a tensor \(16, 2\) from forward in training mo",
    ):
        check.auxiliary_outputs(network, images(), CLASSES)


def by_value(x: Tensor) -> Tensor:
    if x.sum() > 0:
        x = 2 * x
    return x


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        (by_value, r"Could not guard on data-dependent .*\(test_check\.py, line \d+: if x\.sum\("),
        (
            lambda x: x.view(2, 3, 16, 16),
            r"You marked n as dynamic but your code specialized it to",
        ),
        (
            lambda x: torch.from_numpy(x.numpy()),
            r"RuntimeError: \.numpy\(\) is not supported .*lin",
        ),
    ],
    ids=["choice", "size", "numpy"],
)
def test_what_torch_export_cannot_capture_is_told_by_its_reason(
    before: Callable[[Tensor], Tensor], reason: str
) -> None:
    with pytest.raises(
        InputError, match=f"^torch.export cannot capture the network, .*: got .*{reason}"
    ):
        check.check_capture(FrozenBackbone(Net(before), ("one",)), images())
