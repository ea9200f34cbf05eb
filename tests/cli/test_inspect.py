"""``calexnet inspect``: networks of both kinds, as text and as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from tests.support.onnx_models import classifier

MACS = 16 * 6 * 27 + 4 * 8 * 54 + 32 * 4
#: Those of its layers, and what it normalises by.
PARAMETERS = 6 * 27 + 8 * 54 + 32 * 4 + 4


@pytest.fixture
def keras(tmp_path: Path) -> str:
    """A classifier in Keras' style, whose pixels are 0..255."""
    path = tmp_path / "keras.onnx"
    path.write_bytes(
        classifier(channels_last=True, end="Softmax", batch=1, baked=1).SerializeToString()
    )
    return str(path)


def told(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert 0 == main(["inspect", *words])
    return capsys.readouterr().out


def facts(words: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(told([*words, "--json"], capsys))
    return found


def test_an_onnx_file_is_told_in_words(keras: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"""{keras}: ONNX, opset 17
input       float32 (1, H, W, C): 8x8, 3 channels
classes     4
gives       probabilities: the softmax at its end is taken off
MACs        {MACS:,} an image
parameters  {PARAMETERS}
It was made for a batch of 1, and is taken for any.
What is taken says what the file says, alone and in a batch: tried on noise.

attach at         MACs behind it  tensors carried      bytes  shape
first_relu                 41.7%                1        384  6x4x4

Well spread: --attach first_relu
""" == told([keras], capsys)


def test_the_same_as_json(keras: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = facts([keras], capsys)

    assert ("onnx", "NHWC", "softmax", 1) == tuple(
        found[name] for name in ("kind", "layout", "said", "batch")
    )
    assert (MACS, PARAMETERS, 0) == (found["macs"], found["parameters"], found["images"])
    assert ["first_relu"] == [place["name"] for place in found["places"]]


def test_a_pytorch_network_is_told_alike(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["resnet20", "--shape", "3,32,32", "--classes", "10"]

    found, text = facts(words, capsys), told(words, capsys)

    assert ("pytorch", [3, 32, 32], 10) == (found["kind"], found["image"], found["classes"])
    # Published: 40.55 M MACs, 0.27 M parameters.
    assert (40_551_040, 269_722) == (found["macs"], found["parameters"])
    assert {"layer1", "layer2"} <= {place["name"] for place in found["places"]}
    assert "layer1                     64.0%                1     65,536  16x32x32\n" in text
    assert "\nWell spread: --attach layer1,layer2\n" in text


def test_a_pytorch_network_needs_a_shape(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["inspect", "resnet20"])

    assert "Add for example --shape 3,32,32 --classes 10" in capsys.readouterr().err


def test_pixels_are_read_in_every_way_on_real_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The model below tells red from green at a brightness that it knows in 0..255 alone."""
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    labels = (images[:, :, :, 0].mean((1, 2)) > 127).astype(np.int64)
    keys = tuple(map(str, range(40)))
    npz.save(Dataset("dark", images, labels, ("dark", "light"), keys), tmp_path / "dark.npz")
    nodes = [
        onnx.helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
        onnx.helper.make_node("Flatten", ["mean"], ["flat"]),
        onnx.helper.make_node("Gemm", ["flat", "w", "b"], ["y"]),
    ]
    weights = [
        numpy_helper.from_array(np.array([[0, 1], [0, 0], [0, 0]], np.float32), "w"),
        numpy_helper.from_array(np.array([127, 0], np.float32), "b"),
    ]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes, "g", [value("x", 1, ["n", 3, 8, 8])], [value("y", 1, ["n", 2])], weights
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "model.onnx")
    words = [str(tmp_path / "model.onnx"), "--data", str(tmp_path / "dark.npz")]

    found = {one["pixels"]: one["right"] for one in facts(words, capsys)["readings"]}

    dark = int((labels == 0).sum())  # what is always said to 0..1
    assert {"normalised": dark, "0..1": dark, "0..255": 40} == found
    assert "  pixels as they are               40  (best)\n" in told(words, capsys)


def test_other_classes_than_the_datas_are_refused(
    small_npz: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "three.onnx"
    path.write_bytes(classifier(classes=3).SerializeToString())

    assert 2 == main(["inspect", str(path), "--data", str(small_npz)])

    assert "got 3 classes; expected 4, as the data have" in capsys.readouterr().err


def test_what_cannot_be_taken_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cut.onnx").write_bytes(classifier().SerializeToString()[:200])

    assert 2 == main(["inspect", str(tmp_path / "cut.onnx")])

    error = capsys.readouterr().err
    assert 1 == error.count("\n")
    assert "is no ONNX file, or cut short" in error
