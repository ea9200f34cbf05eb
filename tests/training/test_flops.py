"""MACs: by hand, from the exported graphs, and by fvcore, which must all agree."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from calexnet.costs import Parameters
from calexnet.errors import InputError
from calexnet.training import heads
from calexnet.training.cascade import Cascade
from calexnet.training.flops import macs_of, parameters
from tests.support.small_cascade import untrained


class Tiny(nn.Module):
    """Every kind of layer that costs: strided, grouped and plain convolutions, linear ones."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8))
        self.two = nn.Sequential(nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=4))
        self.three = nn.Linear(8, 6)
        self.four = nn.Linear(6, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.one(x))
        x = self.three(x.mean((2, 3)))
        logits: Tensor = self.four(torch.relu(x))
        return logits


#: One output position of each layer, times its positions.
ONE = 3 * 3 * 3 * 8 * (4 * 4)
TWO = 3 * 3 * 2 * 8 * (4 * 4)
THREE, FOUR = 8 * 6, 6 * 4


def macs_of_graph(path: Path) -> int:
    """Return the MACs of one image, from nothing but an ONNX file's shapes."""
    graph = onnx.load(path).graph
    weights = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    shapes: dict[str, list[Any]] = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    total = 0
    for node in graph.node:
        if node.op_type == "Conv":
            total += prod(weights[node.input[1]]) * prod(shapes[node.output[0]][2:])
        elif node.op_type in ("Gemm", "MatMul"):
            total += prod(weights[node.input[1]])
    return total


def test_a_tiny_network_counted_by_hand() -> None:
    cascade = untrained("own:tiny", ("one", "two", "three"), network=Tiny(), head="linear")

    macs = cascade.macs()

    assert (ONE, TWO, THREE, FOUR) == macs.stages
    assert (8 * 4, 8 * 4, 6 * 4) == macs.branches
    assert (0, 0, 0) == macs.gates
    assert ONE + TWO + THREE + FOUR == macs.plain


def test_prototype_branches_cost_a_convolution_on_their_grid_and_a_linear_layer() -> None:
    macs = untrained("resnet8", ("conv1", "layer3"), side=32).macs()

    on_grid, on_map = 8 * 8, 8 * 8  # 32 x 32 averaged by 4; 8 x 8 as it is
    assert (
        16 * 32 * on_grid + (16 + 32) * 4,
        64 * 32 * on_map + (64 + 32) * 4,
    ) == macs.branches


def test_exported_graphs_hold_the_work_that_was_counted(
    small_cascade: Cascade, small_bundle: Path
) -> None:
    counted = small_cascade.macs()

    folder = small_bundle / "onnxruntime"
    segments = [macs_of_graph(folder / f"segment{k}.onnx") for k in (1, 2, 3)]
    expected = [s + b for s, b in zip(counted.stages, (*counted.branches, 0), strict=True)]
    assert expected == segments
    assert counted.plain == macs_of_graph(folder / "plain.onnx")


@pytest.mark.parametrize("attach", [("layer1.0.conv1",), ("bn1", "layer2.0.conv2", "layer3")])
def test_stages_sum_to_the_whole_wherever_it_is_cut(attach: tuple[str, ...]) -> None:
    whole = untrained("resnet8", ("layer1",), classes=10, side=32).macs().plain

    macs = untrained("resnet8", attach, classes=10, side=32).macs()

    assert 12_239_488 == whole == macs.plain
    assert all(stage > 0 for stage in macs.stages)


def test_counting_changes_nothing_about_the_cascade(small_cascade: Cascade) -> None:
    first = small_cascade.macs()

    assert first == small_cascade.macs()
    assert not any(module.training for module in small_cascade.backbone.modules())


class Call(nn.Module):
    """A module out of a function."""

    def __init__(self, function: Callable[..., Tensor], **parts: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x, *self.children())


def by_fvcore(module: nn.Module, *inputs: Tensor) -> int:
    """Return fvcore's count of convolutions and matrix products."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module.eval(), inputs)
    found = analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator()
    names = ("conv", "linear", "addmm", "matmul", "bmm", "einsum")
    return int(sum(found.get(name, 0) for name in names))


MAP = torch.zeros(1, 8, 16, 16)
TOKENS = torch.zeros(1, 12, 16)


@pytest.mark.parametrize(
    ("padding", "expected"),
    [(1, 147_456), ("same", 147_456), ("valid", 8 * 8 * 9 * 14 * 14)],
)
def test_a_convolution_costs_the_same_however_its_padding_is_written(
    padding: Any, expected: int
) -> None:
    assert expected == macs_of(nn.Conv2d(8, 8, 3, padding=padding), MAP)


def test_attention_is_two_products_and_its_projections() -> None:
    alone = Call(lambda q: functional.scaled_dot_product_attention(q, q, q))
    attention = nn.MultiheadAttention(16, 2, batch_first=True)
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    heads = 2 * (12 * 12 * 16) + 12 * 16 * 4 * 16
    assert 4_917_248 == macs_of(alone, torch.zeros(1, 1, 196, 64))
    assert heads == macs_of(Call(lambda q, part: part(q, q, q)[0], part=attention), TOKENS)
    assert heads + 2 * 12 * 16 * 32 == macs_of(layer, TOKENS)
    assert torch.backends.mha.get_fastpath_enabled()


@pytest.mark.parametrize(
    ("function", "shape", "expected"),
    [
        (lambda x: torch.mm(x, torch.ones(16, 3)), (1, 16), 16 * 3),
        (lambda x: x @ torch.ones(16), (1, 16), 16),
        (lambda x: x[0] @ torch.ones(16), (1, 16), 16),
        (lambda x: torch.addmv(torch.ones(1), x, torch.ones(16)), (1, 16), 16),
        (lambda x: torch.bmm(x, x.mT), (2, 12, 16), 2 * 12 * 12 * 16),
        (lambda x: torch.baddbmm(torch.ones(2, 1, 1), x, x.mT), (2, 12, 16), 2 * 12 * 12 * 16),
        (lambda x: torch.addbmm(torch.ones(1, 1), x, x.mT), (2, 12, 16), 2 * 12 * 12 * 16),
        (lambda x: torch.einsum("bij,jk->bik", x, torch.ones(16, 5)), (2, 12, 16), 24 * 16 * 5),
        (lambda x: torch.einsum("bi,bj->bij", x, x), (1, 16), 0),
        (lambda x: functional.conv1d(x, torch.ones(4, 16, 3)), (2, 16, 10), 2 * 4 * 16 * 3 * 8),
        (
            lambda x: functional.conv_transpose2d(x, torch.ones(8, 6, 3, 3)),
            (1, 8, 16, 16),
            48 * 9 * 256,
        ),
        (
            lambda x: functional.conv2d(x, torch.ones(8, 1, 3, 3), groups=8),
            (4, 8, 5, 5),
            4 * 8 * 9 * 9,
        ),
        (lambda x: x @ (torch.ones(16, 9) @ torch.ones(9, 16)), (1, 16), 16 * 16),
    ],
)
def test_every_product_by_hand(
    function: Callable[..., Tensor], shape: tuple[int, ...], expected: int
) -> None:
    assert expected == macs_of(Call(function), torch.zeros(*shape))


def test_a_recurrent_layer_multiplies_at_every_step() -> None:
    layer = nn.LSTM(16, 8, batch_first=True)

    assert 12 * 4 * 8 * (16 + 8) == macs_of(Call(lambda x, part: part(x)[0], part=layer), TOKENS)


def test_what_no_output_needs_is_not_counted() -> None:
    def unread(x: Tensor, one: nn.Module, other: nn.Module) -> Tensor:
        other(x)
        kept = x.new_zeros(1, 2, 16)
        kept[:, 0] = one(x)
        return torch.relu_(kept)

    unneeded = Call(unread, one=nn.Linear(16, 16), other=nn.Linear(16, 16))

    assert 16 * 16 == macs_of(unneeded, torch.zeros(1, 16))


def test_an_operator_that_multiplies_and_is_not_known_is_named() -> None:
    expected = r"^the network's MACs cannot be counted: got the operator aten::_trilinear; "
    with pytest.raises(InputError, match=expected):
        macs_of(nn.Bilinear(3, 3, 2), torch.zeros(1, 3), torch.zeros(1, 3))


@pytest.mark.parametrize("head", [*heads.HEADS])
def test_whole_networks_and_heads_count_as_fvcore_counts_them(head: str) -> None:
    cascade = untrained("resnet20", ("layer1", "layer2"), side=32, head=head)
    macs = cascade.macs()

    assert macs.plain == by_fvcore(cascade.backbone.network, torch.zeros(1, 3, 32, 32))
    for counted, branch in zip(macs.branches, cascade.branches, strict=True):
        assert counted == by_fvcore(branch, torch.zeros(1, *branch.head.feature_shape))


def test_parameters_are_those_of_the_plain_network_and_of_each_branch() -> None:
    cascade = untrained("own:tiny", ("one", "three"), network=Tiny(), head="linear")

    network = (3 * 3 * 3 * 8 + 8 + 16) + (3 * 3 * 2 * 8 + 8) + (8 * 6 + 6) + 6 * 4
    expected = Parameters(network, (8 * 4 + 4, 6 * 4 + 4))
    assert expected == parameters(cascade.backbone, cascade.branches) == cascade.parameters()
