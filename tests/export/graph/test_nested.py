"""The one graph of a real network: what torch translates, nested."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from torch import Tensor, nn

from calexnet.export.graph import segments
from calexnet.export.graph.counts import count
from calexnet.export.graph.nested import nest
from calexnet.export.graph.portable import PortableGraph, PortableGraphs
from calexnet.export.graph.serialise import serialise
from tests.support.small_cascade import run_session, untrained


class Windows(nn.Module):
    """Windows of the map are images of a batch for a while, so that axes of ``4 n`` occur."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 8, 3, 2, 1)
        self.two = nn.Conv2d(8, 8, 3, 1, 1)
        self.three = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        n, c, h, w = x.shape
        windows = x.reshape(n, c, 2, h // 2, 2, w // 2).permute(0, 2, 4, 1, 3, 5)
        windows = self.two(windows.reshape(-1, c, h // 2, w // 2)).reshape(n, 4, c, -1)
        logits: Tensor = self.three(windows.mean((1, 3)))
        return logits


@pytest.fixture(scope="module")
def graphs() -> PortableGraphs:
    cascade = untrained("own:windows", ("one",), network=Windows(), head="linear", side=16)
    return serialise(segments.build(cascade))


@pytest.mark.slow
def test_other_axes_than_the_batch_may_depend_on_it(graphs: PortableGraphs) -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 3), dtype=np.uint8)

    def answer(graph: PortableGraph, **feeds: np.ndarray) -> dict[str, np.ndarray]:
        session = onnxruntime.InferenceSession(graph.data, providers=["CPUExecutionProvider"])
        return run_session(session, {"image": image, **feeds})

    whole = nest(graphs)
    for bar, exit, alone in ((2, 2, graphs.plain), (0, 1, graphs.segments[0])):
        said = answer(whole, thresholds=np.full((1, 4), bar, np.float32))

        expected = answer(alone, threshold=np.full(4, bar, np.float32))
        assert [exit] == said["exit"].tolist()
        np.testing.assert_allclose(expected["probabilities"], said["probabilities"], atol=1e-6)


def test_it_has_the_work_of_all_segments(graphs: PortableGraphs) -> None:
    parts = [count(graph.data).macs for graph in graphs.segments]

    assert sum(parts) == count(nest(graphs).data).macs
    assert sum(parts) > 3 * 8 * 9 * 64 + 4 * (8 * 8 * 9 * 16)
