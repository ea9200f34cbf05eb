"""MACs: by hand, from the exported graphs, and by fvcore, which must all agree."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch
from torch import Tensor, nn

from calexnet.cascade import Cascade
from tests.small_cascade import untrained


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
