"""MACs of TFLite files: what they were converted from has as many, and others are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from calexnet.export.graph.counts import count
from calexnet.export.tflite import convert
from calexnet.runtimes.tflite import macs as tflite_macs
from calexnet.runtimes.tflite.macs import count_macs
from tests.support.classifier_files import write_tflite
from tests.support.onnx_bundle import CLASSES, write_bundle


@pytest.mark.parametrize("name", ["segment1", "segment2", "segment3", "plain"])
def test_a_converted_graph_has_the_macs_of_its_source(small_bundle: Path, name: str) -> None:
    data = (small_bundle / "onnxruntime" / f"{name}.onnx").read_bytes()

    assert (count(data).macs, ()) == count_macs(convert(data))


def test_hand_made_graphs_have_the_macs_of_their_source(tmp_path: Path) -> None:
    content = write_bundle(tmp_path / "bundle")

    for segment in content.compiled[0].segments:
        data = (tmp_path / "bundle" / segment.file.path).read_bytes()
        assert (count(data).macs, ()) == count_macs(convert(data))


def test_a_convolution_with_groups_counts_as_its_source_does() -> None:
    text = (
        "g (float[n, 4, 8, 8] image) => (float[n, 4, 4, 4] y) {"
        " y = Conv<strides = [2, 2], pads = [1, 1, 1, 1], group = 4>(image, w) }"
    )
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]> {text}')
    weight = np.ones((4, 1, 3, 3), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    model = onnx.shape_inference.infer_shapes(model)
    data = model.SerializeToString()

    assert (4 * 3 * 3 * 4 * 4, ()) == count_macs(convert(data)) == (count(data).macs, ())


def test_a_product_of_two_tensors_counts_as_its_source_does() -> None:
    text = (
        "g (float[n, 6, 5] image) => (float[n, 6, 6] y) {"
        " t = Transpose<perm = [0, 2, 1]>(image) y = MatMul(image, t) }"
    )
    model = onnx.parser.parse_model(f'<ir_version: 10, opset_import: ["" : 20]> {text}')
    data = onnx.shape_inference.infer_shapes(model).SerializeToString()

    assert (6 * 6 * 5, ()) == count_macs(convert(data)) == (count(data).macs, ())


def test_a_file_for_a_batch_counts_for_that(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "a.tflite", batch=4)

    assert (4 * 3 * len(CLASSES), ()) == count_macs(path.read_bytes())


def test_what_multiplies_and_is_not_counted_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tflite_macs, "_UNCOUNTED", frozenset(["MEAN", "LSTM"]))
    path = write_tflite(tmp_path / "a.tflite")

    assert ("MEAN",) == count_macs(path.read_bytes())[1]
