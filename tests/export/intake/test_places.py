"""Where an ONNX graph can be cut, worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from calexnet.export.intake.places import places
from calexnet.export.intake.taking import take
from calexnet.training.backbones.places import Place, spread
from tests.support.onnx_models import Writer, classifier, tensor


def taken(model: onnx.ModelProto, tmp_path: Path) -> bytes:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return take(path).data


def residual() -> onnx.ModelProto:
    """Two 1x1 convolutions with a path around the second, then a third: 4 channels of 4x4."""
    write = Writer()
    for name, inputs in (("a", 4), ("b", 4), ("c", 4)):
        write.hold(f"w{name}", np.ones((4, inputs, 1, 1), np.float32))
    write.add("Conv", "pixels", "wa", to="a")
    write.add("Relu", "a", to="a_relu")
    write.add("Conv", "a_relu", "wb", to="b")
    write.add("Add", "b", "a_relu", to="sum")
    write.add("Conv", "sum", "wc", to="c")
    write.add("GlobalAveragePool", "c", to="mean")
    write.add("Flatten", "mean", to="answer")
    return write.model([tensor("pixels", ["N", 4, 4, 4])], [tensor("answer", ["N", 4])])


def test_a_path_around_is_carried_too_and_what_weighs_alike_is_named_once(tmp_path: Path) -> None:
    found = places(taken(residual(), tmp_path))

    # Each convolution is a third of the work; `sum` stands for `b`, which needs `a_relu` beside it.
    shape, size = (4, 4, 4), 4 * 4 * 4 * 4
    third = [Place("a_relu", 1 / 3, 1, size, shape), Place("sum", 2 / 3, 1, size, shape)]
    assert third == list(found)


def test_what_is_read_again_later_counts_among_the_carried(tmp_path: Path) -> None:
    model = residual()
    for node in model.graph.node:
        if node.output[0] == "mean":
            node.input[0] = "again"
    again = onnx.helper.make_node("Add", ["c", "a_relu"], ["again"])
    model.graph.node.insert(5, again)

    found = {place.name: place for place in places(taken(model, tmp_path))}

    assert (1, 256) == (found["a_relu"].tensors, found["a_relu"].bytes)
    assert (2, 512) == (found["sum"].tensors, found["sum"].bytes)


def test_places_are_those_nearest_to_the_quarters() -> None:
    shares = [0.1, 0.3, 0.45, 0.6, 0.8]
    found = spread([Place(str(share), share, 1, 1, (1,)) for share in shares])

    assert ["0.3", "0.45", "0.8"] == [place.name for place in found]


@pytest.mark.parametrize("channels_last", [False, True])
def test_a_map_whose_channels_are_last_is_no_place(channels_last: bool, tmp_path: Path) -> None:
    found = places(taken(classifier(channels_last=channels_last), tmp_path))

    # 16 positions of 6 x 27 products; the others are 4 of 8 x 54, and 32 x 4 in the last layer.
    whole = 16 * 6 * 27 + 4 * 8 * 54 + 32 * 4
    assert [("first_relu", 16 * 6 * 27 / whole)] == [(p.name, p.work) for p in found]


def test_layers_between_two_turnings_are_no_places(tmp_path: Path) -> None:
    model = residual()
    around = [
        onnx.helper.make_node("Transpose", ["a_relu"], ["last"], perm=[0, 2, 3, 1]),
        onnx.helper.make_node("Sigmoid", ["last"], ["gated"]),
        onnx.helper.make_node("Transpose", ["gated"], ["back"], perm=[0, 3, 1, 2]),
    ]
    for node in model.graph.node:
        node.input[:] = ["back" if name == "a_relu" else name for name in node.input]
    for place, node in enumerate(around, start=2):
        model.graph.node.insert(place, node)

    assert ["back", "sum"] == [place.name for place in places(taken(model, tmp_path))]
