"""An ONNX graph as a frozen backbone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from calexnet.errors import InputError
from calexnet.export.intake.backbone import with_branches
from calexnet.export.intake.taking import take
from calexnet.training import flops
from calexnet.training.backbones.graph import GraphBackbone
from calexnet.training.backbones.graph_file import GraphCosts, GraphFile
from tests.support.onnx_models import classifier

IMAGES = np.random.default_rng(0).normal(size=(3, 3, 8, 8)).astype(np.float32)


@pytest.fixture
def file(tmp_path: Path) -> GraphFile:
    path = tmp_path / "model.onnx"
    path.write_bytes(classifier().SerializeToString())
    return with_branches(take(path), ["first_relu", "second_relu"])


def test_it_gives_its_tensors_then_its_logits(file: GraphFile) -> None:
    model = onnx.load_from_string(file.data)
    expected = ReferenceEvaluator(model).run(None, {"image": IMAGES})

    found = GraphBackbone(file)(torch.from_numpy(IMAGES))

    assert 3 == len(found)
    for wanted, got in zip(expected, found, strict=True):
        np.testing.assert_allclose(wanted, got.numpy(), atol=1e-5)
    assert [(6, 4, 4), (8, 2, 2)] == GraphBackbone(file).check((3, 8, 8), 4)


def test_images_that_lie_channels_last_are_the_same_images(file: GraphFile) -> None:
    backbone = GraphBackbone(file)
    turned = torch.from_numpy(IMAGES).contiguous(memory_format=torch.channels_last)

    assert torch.equal(backbone(torch.from_numpy(IMAGES))[-1], backbone(turned)[-1])


def test_its_costs_are_those_that_were_counted(file: GraphFile) -> None:
    backbone = GraphBackbone(file)

    # Work and weights of its layers: see `classifier`.
    assert [2592, 4320, 4448] == flops.reached(backbone, torch.zeros(1, 3, 8, 8))
    assert (722, ()) == (
        flops.parameters(backbone, ()).network,
        flops.parameters(backbone, ()).branches,
    )


def test_other_classes_and_sizes_are_refused(file: GraphFile) -> None:
    with pytest.raises(InputError, match="got 4 logits; expected 5, one a class"):
        GraphBackbone(file).check((3, 8, 8), 5)
    with pytest.raises(InputError, match="the backbone does not fit the data"):
        GraphBackbone(file).check((3, 9, 9), 4)


def test_graphs_are_told_apart_by_their_content(file: GraphFile) -> None:
    model = onnx.load_from_string(file.data)
    model.producer_name = "another"
    other = GraphFile(model.SerializeToString(), file.attach, file.costs)

    assert repr(GraphBackbone(file).network) == repr(GraphBackbone(file).network)
    assert repr(GraphBackbone(file).network) != repr(GraphBackbone(other).network)


def test_a_graph_that_reads_other_files_is_refused(file: GraphFile) -> None:
    model = onnx.load_from_string(file.data)
    weight = model.graph.initializer[0]
    array = numpy_helper.to_array(weight)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="/etc/hostname")
    assert array.size

    with pytest.raises(InputError, match="cannot be used: got a weight that lies in another file"):
        GraphBackbone(GraphFile(model.SerializeToString(), file.attach, GraphCosts((), 0)))
