"""How a network wants its pixels, asked on images whose classes are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from calexnet.export.intake import readings
from calexnet.export.intake.taking import take

#: Grey images of two levels: class 1 is the lighter one.
IMAGES = np.repeat(np.array([100, 160, 100, 160], np.uint8), 3 * 64).reshape(4, 8, 8, 3)
TRUTH = np.array([0, 1, 0, 1])


def by_brightness(bar: float, path: Path) -> Path:
    """Write a network that says class 1 of what is lighter than `bar` in its own scale."""
    weights = {
        "w": np.array([[0.0] * 3, [1 / 3] * 3], np.float32).T,
        "b": np.array([bar, 0.0], np.float32),
    }
    nodes = [
        helper.make_node("GlobalAveragePool", ["pixels"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def found(bar: float, tmp_path: Path) -> dict[str, int]:
    taken = take(by_brightness(bar, tmp_path / "model.onnx"), IMAGES)
    ways = readings.usual(((0.5,) * 3, (0.25,) * 3))
    return readings.right(taken, IMAGES, TRUTH, ways)


def test_the_right_reading_answers_most(tmp_path: Path) -> None:
    """130 of 255 parts the two greys as bytes, 0.51 as shares; elsewhere both fall on one side."""
    assert 4 == found(130.0, tmp_path)["0..255"]
    assert 2 == found(130.0, tmp_path)["0..1"]
    assert 4 == found(0.51, tmp_path)["0..1"]
    assert 2 == found(0.51, tmp_path)["0..255"]


def test_the_usual_readings_begin_with_the_datas_own() -> None:
    own = ((0.4,) * 3, (0.2,) * 3)

    ways = readings.usual(own)

    assert [
        "the data's own mean and std",
        "0..1",
        "0..255",
        "ImageNet's mean and std",
    ] == [*ways]
    assert own == ways["the data's own mean and std"]
    assert 3 == len(readings.usual(((0.4,), (0.2,))))
