"""Look-ups of every number at its own place, and what only looks like one."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from calexnet.export.graph import segments
from calexnet.export.graph.strided import drop_strided_copies
from tests.support.small_cascade import parse, run, untrained


class ChannelsLast(nn.Module):
    """As in ConvNeXt: the map that is averaged lies channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, 2, 1)
        self.norm = nn.LayerNorm(8)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.one(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        logits: Tensor = self.fc(torch.flatten(self.pool(x), 1))
        return logits


@pytest.mark.slow
@pytest.mark.parametrize("attach", ["one", "pool"])
def test_an_average_of_a_map_that_lies_channels_last_is_one_operator(attach: str) -> None:
    cascade = untrained("own:last", (attach,), network=ChannelsLast(), head="linear", side=16)

    graphs = segments.build(cascade)

    for model in (*graphs.segments, graphs.plain):
        assert not {"Range", "Shape"} & {node.op_type for node in model.graph}
    names = {node.name for node in graphs.plain.graph}
    assert {"one/Conv", "norm/LayerNormalization", "fc/Gemm"} <= names


GRAPH = """g (float[n, 3, 1, 1] x) => (float[n, 3, 1, 1] y)
    <int64 zero = {0}, int64 one = {1}, int64[1] size = {%d}, int64[3] axes = {1, 2, 3},
     int64[1, 3, 1, 1] within = {%s}, int64[1] whole = {-1}> {
    flat = Reshape(x, whole) s = Shape<start = 0, end = 1>(x) n = Squeeze(s)
    images = Range(zero, n, one) firsts = Mul(images, size) firsts4 = Unsqueeze(firsts, axes)
    places = Add(firsts4, within) y = Gather<axis = 0>(flat, places) }"""


@pytest.mark.parametrize(("size", "within", "drops"), [(3, "0, 1, 2", True), (3, "0, 2, 1", False)])
def test_only_what_copies_is_dropped(size: int, within: str, drops: bool) -> None:
    graph = parse(GRAPH % (size, within))
    graph.outputs[0].shape = graph.inputs[0].shape
    x = np.arange(12, dtype=np.float32).reshape(4, 3, 1, 1)
    expected = run(graph, {"x": x})["y"]

    drop_strided_copies(graph)

    assert drops == ("Gather" not in {node.op_type for node in graph})
    assert np.array_equal(expected, run(graph, {"x": x})["y"])
