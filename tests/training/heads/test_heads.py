"""Branch heads: sizes, hand-worked answers, and the two steps that make one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.training import heads
from calexnet.training.heads.linear import LinearHead
from calexnet.training.heads.prototype import PROTOTYPES, PrototypeHead
from calexnet.training.heads.separable import SeparableHead
from calexnet.training.heads.strided import StridedHead

RESNET18 = ((64, 32, 32), (128, 16, 16), (256, 8, 8))


def parameters(head: torch.nn.Module) -> int:
    return sum(p.numel() for p in head.parameters())


@pytest.mark.parametrize("shape", [(64, 32, 32), (5, 3, 3), (7,)])
@pytest.mark.parametrize("classes", [2, 20])
def test_sizes_follow_their_formulas(shape: tuple[int, ...], classes: int) -> None:
    channels = shape[0]

    prototype, linear = (heads.build(name, shape, classes) for name in ("prototype", "linear"))

    assert channels * 32 + (channels + 32) * classes + classes == parameters(prototype)
    assert channels * classes + classes == parameters(linear)


def test_three_prototype_branches_of_resnet18_meet_the_known_bound() -> None:
    total = sum(parameters(heads.build("prototype", shape, 20)) for shape in RESNET18)

    assert 25_276 == total
    assert total <= 38_000


def test_an_unknown_head_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError,
        match=r"^unknown head: got 'mlp'; expected one of prototype, linear, strided, separable, "
        r"pteenet, ztw, boostnet, or your own as package\.module:name$",
    ):
        heads.build("mlp", (4,), 2)


def test_a_linear_head_worked_by_hand() -> None:
    head = LinearHead((2, 1, 2), 2)
    with torch.no_grad():
        head.linear.weight.copy_(torch.tensor([[1.0, 0.0], [10.0, 100.0]]))
        head.linear.bias.copy_(torch.tensor([0.5, 0.0]))

    logits = head(torch.tensor([[[[1.0, 3.0]], [[4.0, 8.0]]]]))  # means 2 and 6

    assert [[2.5, 620.0]] == logits.tolist()


def test_a_prototype_head_worked_by_hand() -> None:
    """Two channels at two positions.

    Prototype 0 responds with 1 and -5, prototype 1 with -2 and 4, the others with nothing. The
    first class reads the means, the second the two maxima.
    """
    head = PrototypeHead((2, 1, 2), 2)
    with torch.no_grad():
        head.prototypes.weight.zero_()
        head.prototypes.weight[0, :, 0, 0] = torch.tensor([1.0, 0.0])
        head.prototypes.weight[1, :, 0, 0] = torch.tensor([0.0, 2.0])
        head.linear.weight.zero_()
        head.linear.weight[0, :2] = torch.tensor([1.0, 10.0])
        head.linear.weight[1, 2:4] = torch.tensor([1.0, 10.0])
        head.linear.bias.copy_(torch.tensor([0.0, 0.5]))

    logits = head(torch.tensor([[[[1.0, -5.0]], [[-1.0, 2.0]]]]))

    assert [[-2.0 + 10 * 0.5, 1.0 + 10 * 4.0 + 0.5]] == logits.tolist()


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        (name, shape)
        for name in heads.HEADS
        for shape in [(6, 16, 16), (6, 8, 8), (6, 5, 7), (6, 2, 2), (6,)]
        if len(shape) == 3 or name in ("prototype", "linear")
    ],
)
def test_reducing_then_classifying_is_the_forward_pass(name: str, shape: tuple[int, ...]) -> None:
    head = heads.build(name, shape, 3).eval()
    features = torch.randn(4, *shape)

    assert torch.equal(head(features), head.classify(head.reduce(features)))
    assert (4, 3) == tuple(head(features).shape)


@pytest.mark.parametrize("name", heads.HEADS)
def test_each_sample_is_answered_by_itself(name: str) -> None:
    shape = (6, 16, 16)
    head = heads.build(name, shape, 3).eval()
    features = torch.randn(4, *shape)

    alone = torch.cat([head(feature[None]) for feature in features])

    torch.testing.assert_close(alone, head(features))


@pytest.mark.parametrize(
    ("channels", "widths"), [(16, (32, 64)), (32, (64, 128)), (48, (96, 128)), (256, (128, 128))]
)
def test_a_strided_head_is_as_wide_as_its_backbone_up_to_a_bound(
    channels: int, widths: tuple[int, int]
) -> None:
    first, second = widths

    found = parameters(heads.build("strided", (channels, 32, 32), 10))

    norms = 2 * (first + second)
    assert 9 * first * (channels + second) + norms + 20 * second + 10 == found


def test_a_strided_head_worked_by_hand() -> None:
    """One channel on a 16 x 16 map, so a grid of 8 x 8; each convolution reads its middle alone.

    The first keeps every other cell of the grid, times 2; the second every other one of these, less
    8, so that ReLU cuts some; the class reads the mean of the four that are left and half their
    maximum.
    """
    head = StridedHead((1, 16, 16), 1).eval()
    first, norm, _, second, last_norm, _ = list[Any](head.body)
    norm.eps = last_norm.eps = 0.0
    with torch.no_grad():
        for convolution, factor in ((first, 2.0), (second, 1.0)):
            convolution.weight.zero_()
            convolution.weight[0, 0, 1, 1] = factor
        last_norm.bias.fill_(-8.0)
        head.linear.weight.zero_()
        head.linear.weight[0, 0] = 1.0
        head.linear.weight[0, 4] = 0.5
        head.linear.bias.fill_(0.25)
    features = torch.zeros(1, 1, 16, 16)
    features[0, 0, :2, :2] = torch.tensor([[1.0, 3.0], [5.0, 7.0]])  # cell (0, 0): mean 4, to 0
    features[0, 0, 8:10, 8:10] = 10.0  # cell (4, 4): 10, to 2 x 10 - 8 = 12
    features[0, 0, 2:4, 2:4] = 99.0  # cell (1, 1) is between those that are kept

    assert [[12.0 / 4 + 6.0 + 0.25]] == head(features).tolist()


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((8, 8), (8, 8)),
        ((15, 15), (15, 15)),
        ((16, 16), (8, 8)),
        ((17, 33), (8, 16)),
        ((32, 16), (16, 8)),
        ((56, 56), (8, 8)),
        ((1, 1), (1, 1)),
    ],
)
def test_maps_are_averaged_onto_a_grid_of_about_eight(
    size: tuple[int, int], grid: tuple[int, int]
) -> None:
    reduced = PrototypeHead((3, *size), 2).reduce(torch.randn(2, 3, *size))

    assert (2, 3, *grid) == tuple(reduced.shape)


def test_a_cell_of_the_grid_is_the_mean_of_its_positions() -> None:
    features = torch.arange(16.0 * 16).reshape(1, 1, 16, 16)

    reduced = PrototypeHead((1, 16, 16), 2).reduce(features)

    assert (0 + 1 + 16 + 17) / 4 == reduced[0, 0, 0, 0]


def test_prototypes_start_as_unit_directions_of_features_from_their_mean() -> None:
    torch.manual_seed(0)
    head = PrototypeHead((3, 4, 4), 2)
    reduced = torch.randn(5, 3, 4, 4)

    head.initialise(reduced)

    prototypes = head.prototypes.weight.detach()[:, :, 0, 0]
    positions = reduced.permute(0, 2, 3, 1).reshape(-1, 3)
    directions: Tensor = torch.nn.functional.normalize(positions - positions.mean(0))
    assert (PROTOTYPES, 3) == tuple(prototypes.shape)
    assert (prototypes @ directions.T).max(1).values.min() > 1 - 1e-5
    torch.testing.assert_close(prototypes.norm(dim=1), torch.ones(PROTOTYPES))


def test_features_that_are_all_alike_start_finite_prototypes() -> None:
    head = PrototypeHead((3, 1, 1), 2)

    head.initialise(torch.ones(4, 3, 1, 1))

    assert torch.isfinite(head.prototypes.weight).all()


@pytest.mark.parametrize("name", heads.HEADS)
def test_reducing_needs_no_parameter(name: str) -> None:
    features = torch.randn(2, 6, 16, 16)
    first, second = (heads.build(name, (6, 16, 16), 3) for _ in range(2))

    assert torch.equal(first.reduce(features), second.reduce(features))


@pytest.mark.parametrize("name", ["strided", "separable", "pteenet", "ztw", "boostnet"])
def test_a_convolving_head_refuses_a_vector(name: str) -> None:
    with pytest.raises(
        InputError,
        match=r"cannot be attached here: got features of shape \(6,\); expected a feature map "
        r"\(C, H, W\)\. Choose --head linear or prototype, or attach it earlier\.$",
    ):
        heads.build(name, (6,), 3)


def test_native_heads_have_the_sizes_of_their_publications() -> None:
    """On the first stage of a ResNet-18 at 32 x 32, 20 classes: research figures, 1,000s."""
    found = {
        name: round(parameters(heads.build(name, (64, 32, 32), 20)) / 1e3)
        for name in ("pteenet", "ztw", "boostnet")
    }

    assert {"pteenet": 75, "ztw": 57, "boostnet": 224} == found


def test_a_separable_head_worked_by_hand() -> None:
    """A map of one position: of each 3x3 filter the middle alone meets it.

    Two channels -1 and 3 become -1 and 6; across them 2 + 2 = 4, and -1, which the ReLU takes; of
    the first 3 and 8 are made. Each of these is average and maximum at once.
    """
    head = SeparableHead((2, 1, 1), 2, most=2).eval()
    convolutions = [module for module in head.body if isinstance(module, nn.Conv2d)]
    first, across, second, last = convolutions
    with torch.no_grad():
        for weights in head.parameters():
            weights.zero_()
        for norm in (module for module in head.body if isinstance(module, nn.BatchNorm2d)):
            norm.weight.fill_(1.0)
            norm.eps = 0.0
        first.weight[:, 0, 1, 1] = torch.tensor([1.0, 2.0])
        across.weight[:, :, 0, 0] = torch.tensor([[-2.0, 1 / 3], [1.0, 0.0]])
        second.weight[:, 0, 1, 1] = torch.tensor([1.0, 1.0])
        last.weight[:, :, 0, 0] = torch.tensor([[0.75, 0.0], [2.0, 0.0]])
        head.linear.weight.copy_(torch.tensor([[1.0, 0.0, 0.0, 10.0], [0.0, 1.0, 100.0, 0.0]]))

    logits = head(torch.tensor([[[[-1.0]], [[3.0]]]]))

    assert [[3.0 + 10 * 8.0, 8.0 + 100 * 3.0]] == logits.tolist()


@pytest.mark.parametrize(("channels", "first", "second"), [(6, 12, 24), (48, 96, 128)])
def test_a_separable_head_has_these_sizes(channels: int, first: int, second: int) -> None:
    found = parameters(heads.build("separable", (channels, 16, 16), 10))

    layers = 9 * (channels + first) + first * (channels + second)
    norms = 2 * (channels + 2 * first + second)
    assert layers + norms + 2 * second * 10 + 10 == found


@pytest.mark.parametrize("name", heads.HEADS)
def test_a_head_is_as_wide_inside_as_it_is_told(name: str) -> None:
    """Narrower heads cost less, down to one channel; at their own width nothing changes."""
    shape = (6, 16, 16)
    own = heads.kind(name).own_width(shape)
    if own is None:
        assert parameters(heads.build(name, shape, 3)) == parameters(
            heads.build(name, shape, 3, most=1)
        )
        return
    sizes = [parameters(heads.build(name, shape, 3, most=most)) for most in (1, own // 2, own)]

    assert sorted({*sizes}) == sizes
    assert sizes[-1] == parameters(heads.build(name, shape, 3))
    assert (2, 3) == tuple(heads.build(name, shape, 3, most=1).eval()(torch.ones(2, *shape)).shape)
