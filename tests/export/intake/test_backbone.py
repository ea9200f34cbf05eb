"""Branches at tensors of a graph, by the names of tensors or nodes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from calexnet.errors import CalexnetError, InputError
from calexnet.export.intake.backbone import with_branches
from calexnet.export.intake.taking import Taken, take
from tests.support.onnx_models import classifier

#: 16 positions of 6 x 27 products, 4 of 8 x 54, and the last layer's.
FIRST, WHOLE = 16 * 6 * 27, 16 * 6 * 27 + 4 * 8 * 54 + 32 * 4


@pytest.fixture
def taken(tmp_path: Path) -> Taken:
    """A classifier one of whose tensors is named as torch names them."""
    model = classifier()
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["/layer1/Relu_0" if name == "first_relu" else name for name in names]
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return take(path)


@pytest.mark.parametrize("attach", [None, ["/layer1/Relu_0"], ["node_first_relu"]])
def test_a_tensor_is_found_by_its_name_by_its_nodes_or_by_itself(
    attach: list[str] | None, taken: Taken
) -> None:
    file = with_branches(taken, attach)

    assert (("layer1.Relu_0",), (FIRST, WHOLE)) == (file.attach, file.costs.macs)
    model = onnx.load_from_string(file.data)
    image = np.random.default_rng(0).normal(size=(2, 3, 8, 8)).astype(np.float32)
    feature, logits = map(np.asarray, ReferenceEvaluator(model).run(None, {"image": image}))
    assert ((2, 6, 4, 4), (2, 4)) == (feature.shape, logits.shape)
    assert 0 == feature.min(), "what a ReLU gives"


def test_what_is_not_there_is_refused_with_what_is(taken: Taken) -> None:
    with pytest.raises(InputError, match=r"got 'layer9'; expected .* such as /layer1/Relu_0\. cal"):
        with_branches(taken, ["layer9"])


@pytest.mark.parametrize(
    ("attach", "words"),
    [
        (["second_relu", "/layer1/Relu_0"], "out of order"),
        (["first_conv", "node_first_conv"], "each of them once"),
    ],
)
def test_attach_points_that_cannot_be_cut_at_are_refused(
    attach: list[str], words: str, taken: Taken
) -> None:
    with pytest.raises(CalexnetError, match=words):
        with_branches(taken, attach)
