"""Torch modules as graphs: named features, any batch size, and no reduction left."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from calexnet.errors import ExportError
from calexnet.export.graph import segments
from calexnet.export.graph.capture import backbone_graph, branch_graph
from calexnet.export.graph.dialect import BATCH
from tests.support.small_cascade import run, untrained


class Common(nn.Module):
    """Sub-modules with the very names that the exporter gives to values."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.relu = nn.ReLU()
        self.features = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU(inplace=True))
        self.linear = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x))
        x = self.relu(self.conv.weight.sum() + x)
        x = self.features(x)
        logits: Tensor = self.linear(torch.relu(x - 0.1).mean((2, 3)))
        return logits


class Undecided(nn.Module):
    """A network whose way depends on its data."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).mean((2, 3))
        return x if float(x.sum().item()) > 0.5 else -x


@pytest.mark.slow
def test_the_backbone_gives_its_features_under_the_names_of_their_attach_points() -> None:
    cascade = untrained("resnet8", ("layer1.0.bn1", "layer2"))

    graph = backbone_graph(cascade)

    assert ["image"] == [value.name for value in graph.inputs]
    assert ["layer1.0.bn1", "layer2", "logits"] == [value.name for value in graph.outputs]
    shapes = [[*map(str, value.shape or ())] for value in (*graph.inputs, *graph.outputs)]
    assert [
        [BATCH, "3", "8", "8"],
        [BATCH, "16", "8", "8"],
        [BATCH, "32", "4", "4"],
        [BATCH, "4"],
    ] == shapes
    operators = {node.op_type for node in graph}
    assert "GlobalAveragePool" in operators
    assert not {"ReduceMean", "ReduceMax", "BatchNormalization"} & operators
    inputs = cascade.spec.preprocessing.normalise(cascade.samples.images)
    for batch in (1, 3, 5):
        found = run(graph, {"image": inputs[:batch]})
        with torch.inference_mode():
            expected = cascade.backbone(torch.from_numpy(inputs[:batch]))
        for name, feature in zip(("layer1.0.bn1", "layer2", "logits"), expected, strict=True):
            np.testing.assert_allclose(found[name], feature.numpy(), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "attach"), [("prototype", "layer1"), ("linear", "layer1"), ("prototype", "linear")]
)
def test_a_branch_goes_from_features_to_logits(head: str, attach: str) -> None:
    cascade = untrained("resnet8", (attach,), head=head)
    features = torch.randn(3, *cascade.branches[0].head.feature_shape)

    graph = branch_graph(cascade, 0)

    assert [["features"], ["logits"]] == [
        [value.name for value in values] for values in (graph.inputs, graph.outputs)
    ]
    with torch.inference_mode():
        expected = cascade.branches[0].head(features)
    found = run(graph, {"features": features.numpy()})["logits"]
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_a_module_named_like_a_value_of_the_graph_is_cut_at_its_own_output() -> None:
    cascade = untrained("own:common", ("relu", "features"), network=Common())
    reference = cascade.answer(cascade.samples.images)

    graphs = segments.build(cascade)

    state: dict[str, Any] = {
        "image": cascade.samples.images,
        "threshold": np.full(4, np.inf, np.float32),
    }
    for number, model in enumerate(graphs.segments):
        state.update(run(model, state))
        np.testing.assert_allclose(state["score"], reference.scores[number], atol=1e-5)
        assert reference.labels[number].tolist() == state["label"].tolist()


@pytest.mark.slow
def test_a_network_that_torch_cannot_capture_is_told() -> None:
    cascade = untrained("own:undecided", ("conv",), network=Undecided())

    with pytest.raises(
        ExportError,
        match=r"^torch\.onnx\.export cannot translate the backbone: got .*\(test_capture\.py, line "
        r"\d+: .*\); expected a network that torch\.export captures, with any batch size$",
    ):
        backbone_graph(cascade)
