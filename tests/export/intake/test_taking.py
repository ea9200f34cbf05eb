"""ONNX files as they are in the wild, taken as backbones or refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.export.intake.taking import Taken, take
from tests.support.onnx_models import CLASSES, SIDE, End, Writer, classifier, tensor

IMAGES = np.random.default_rng(1).integers(0, 256, (5, SIDE, SIDE, 3), dtype=np.uint8)


def saved(model: onnx.ModelProto, tmp_path: Path) -> Path:
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def said(model: onnx.ModelProto, images: NDArray[Any]) -> Any:
    """What ONNX itself defines that a model says."""
    (name,) = (v.name for v in model.graph.input if v.name == "pixels" or v.name == "image")
    (answer,) = ReferenceEvaluator(model).run(None, {name: images})
    return answer


def logits(taken: Taken, images: NDArray[np.uint8]) -> Any:
    inputs = taken.preprocessing.normalise(images)
    return said(onnx.load_from_string(taken.data), inputs)


def softmax(numbers: NDArray[Any]) -> Any:
    powers = np.exp(numbers - numbers.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_a_keras_model_loses_its_transpose_and_softmax_and_says_the_same(tmp_path: Path) -> None:
    model = classifier(channels_last=True, end="Softmax")

    taken = take(saved(model, tmp_path), IMAGES, mean=(0.0,) * 3, std=(1 / 255,) * 3)

    assert ("NHWC", "softmax", 4) == (taken.form.layout, taken.answer.said, taken.answer.classes)
    found = onnx.load_from_string(taken.data)
    assert ["image", "logits"] == [found.graph.input[0].name, found.graph.output[0].name]
    assert "Softmax" not in [node.op_type for node in found.graph.node]
    expected = said(model, IMAGES.astype(np.float32))
    np.testing.assert_allclose(expected, softmax(logits(taken, IMAGES)), atol=1e-5)


def test_a_turning_at_once_undone_falls_away(tmp_path: Path) -> None:
    write = Writer()
    value = write.add("Transpose", "pixels", to="first", perm=[0, 3, 1, 2])
    value = write.add("GlobalAveragePool", value, to="mean")
    value = write.add("Flatten", value, to="answer")
    model = write.model([tensor("pixels", ["N", 8, 8, 3])], [tensor("answer", ["N", 3])])

    taken = take(saved(model, tmp_path))

    kinds = [node.op_type for node in onnx.load_from_string(taken.data).graph.node]
    assert ["GlobalAveragePool", "Flatten"] == kinds


@pytest.mark.parametrize("opset", [11, 12, 13, 16, 18, 20, 21, 22])
def test_every_version_of_the_operators_is_read(opset: int, tmp_path: Path) -> None:
    model = classifier(opset=opset, end="Softmax")

    taken = take(saved(model, tmp_path), IMAGES)

    assert opset == taken.opset
    assert 20 == onnx.load_from_string(taken.data).opset_import[0].version
    expected = said(model, taken.preprocessing.normalise(IMAGES))
    np.testing.assert_allclose(expected, softmax(logits(taken, IMAGES)), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_is_opened(batch: int, tmp_path: Path) -> None:
    model = classifier(batch=batch, baked=batch)

    taken = take(saved(model, tmp_path), IMAGES)

    inputs = taken.preprocessing.normalise(IMAGES)
    expected = said(model, inputs[:batch])
    np.testing.assert_allclose(expected, logits(taken, IMAGES)[:batch], atol=1e-5)
    assert 5 == len(logits(taken, IMAGES))


def test_one_image_baked_into_a_reshape_of_an_open_batch_is_freed(tmp_path: Path) -> None:
    taken = take(saved(classifier(baked=1), tmp_path), IMAGES)

    np.testing.assert_allclose(
        logits(take(saved(classifier(), tmp_path), IMAGES), IMAGES), logits(taken, IMAGES)
    )


def test_a_batch_that_cannot_be_opened_is_refused_by_its_node(tmp_path: Path) -> None:
    write = Writer()
    shape = write.hold("shape", np.array([3, -1], np.int64))  # channels first: it mixes images
    write.add("Transpose", "pixels", to="turned", perm=[1, 0, 2, 3])
    write.add("Reshape", "turned", shape, to="rows")
    write.add("Gemm", "rows", write.hold("w", np.ones((64, 5), np.float32)), to="mixed")
    write.add("ReduceMean", "mixed", to="answer", axes=[0], keepdims=1)
    model = write.model([tensor("pixels", [1, 3, 8, 8])], [tensor("answer", [1, 5])])

    with pytest.raises(InputError, match=r"batch of 2: got Gemm \(node_mixed\)") as refused:
        take(saved(model, tmp_path))

    assert "Export it with a batch axis of any length" in str(refused.value)


def test_an_answer_that_minds_its_batch_is_refused_where_that_begins(tmp_path: Path) -> None:
    write = Writer()
    write.add("ReduceMean", "pixels", to="typical", axes=[0], keepdims=1)
    write.add("Sub", "pixels", "typical", to="rest")
    write.add("GlobalAveragePool", "rest", to="mean")
    write.add("Flatten", "mean", to="answer")
    model = write.model([tensor("pixels", ["N", 3, 8, 8])], [tensor("answer", ["N", 3])])

    with pytest.raises(InputError, match=r"otherwise in a batch than alone.*first at rest"):
        take(saved(model, tmp_path))


def test_weights_among_the_inputs_are_none(tmp_path: Path) -> None:
    model = classifier()
    for weight in model.graph.initializer:
        model.graph.input.append(tensor(weight.name, list(weight.dims)))

    assert ["image"] == [
        value.name for value in onnx.load_from_string(take(saved(model, tmp_path)).data).graph.input
    ]


def test_half_precision_is_taken_in_single(tmp_path: Path) -> None:
    half = take(saved(classifier(kind=TensorProto.FLOAT16), tmp_path), IMAGES)

    assert half.is_half
    whole = take(saved(classifier(), tmp_path), IMAGES)
    np.testing.assert_allclose(logits(whole, IMAGES), logits(half, IMAGES), atol=0.02)


def test_bytes_are_read_as_bytes(tmp_path: Path) -> None:
    write = Writer()
    write.add("Cast", "pixels", to="numbers", **{})
    write.nodes[-1].attribute.append(onnx.helper.make_attribute("to", TensorProto.FLOAT))
    write.add("Transpose", "numbers", to="first", perm=[0, 3, 1, 2])
    write.add("GlobalAveragePool", "first", to="mean")
    write.add("Flatten", "mean", to="answer")
    image = tensor("pixels", ["N", 8, 8, 3], TensorProto.UINT8)
    taken = take(saved(write.model([image], [tensor("answer", ["N", 3])]), tmp_path), IMAGES)

    np.testing.assert_allclose(IMAGES.mean((1, 2)), logits(taken, IMAGES), rtol=1e-5)


def test_one_sigmoid_is_two_classes(tmp_path: Path) -> None:
    model = classifier(end="Sigmoid", classes=1)

    taken = take(saved(model, tmp_path), IMAGES)

    second = said(model, taken.preprocessing.normalise(IMAGES))[:, 0]
    assert 2 == taken.answer.classes
    np.testing.assert_allclose(second, softmax(logits(taken, IMAGES))[:, 1], atol=1e-6)


@pytest.mark.parametrize("end", ["logits", "Softmax", "LogSoftmax"])
def test_the_largest_number_stays_the_answer(end: End, tmp_path: Path) -> None:
    model = classifier(end=end)

    taken = take(saved(model, tmp_path), IMAGES)

    expected = said(model, taken.preprocessing.normalise(IMAGES)).argmax(1)
    assert expected.tolist() == logits(taken, IMAGES).argmax(1).tolist()


def test_names_that_a_cascade_has_itself_are_given_up(tmp_path: Path) -> None:
    model = classifier()
    for node in model.graph.node:
        for names in (node.input, node.output):
            names[:] = ["image" if name == "first_relu" else name for name in names]

    taken = take(saved(model, tmp_path), IMAGES)

    np.testing.assert_allclose(
        logits(take(saved(classifier(), tmp_path), IMAGES), IMAGES), logits(taken, IMAGES)
    )


class Squeezing(nn.Module):
    """A network that the project does not know: gates, a concatenation, a flatten by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1)
        self.one, self.two = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, 1, 1)
        self.gate, self.tail = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 12, 3, 2, 1)
        self.fc = nn.Linear(12 * 4, CLASSES)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.stem(images))
        x = torch.cat([torch.relu(self.one(x)), torch.relu(self.two(x))], 1)
        x = x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))
        x = torch.relu(self.tail(x))
        out: Tensor = self.fc(x.view(x.size(0), -1))
        return out


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_a_network_written_by_torch_says_what_torch_says(dynamo: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = Squeezing().eval(), tmp_path / "net.onnx"
    torch.onnx.export(network, (torch.zeros(1, 3, 8, 8),), path, dynamo=dynamo, verbose=False)

    taken = take(path, IMAGES)

    with torch.no_grad():
        expected = network(torch.from_numpy(taken.preprocessing.normalise(IMAGES)).contiguous())
    np.testing.assert_allclose(expected.numpy(), logits(taken, IMAGES), atol=1e-5)


def refusal(model: onnx.ModelProto, tmp_path: Path) -> str:
    with pytest.raises(InputError) as refused:
        take(saved(model, tmp_path))
    return str(refused.value)


def test_several_classes_at_once_are_refused(tmp_path: Path) -> None:
    assert "got 4 sigmoids" in refusal(classifier(end="Sigmoid"), tmp_path)


def test_somebodys_operator_is_refused_by_name(tmp_path: Path) -> None:
    assert "got org.example:Swish (node_swish)" in refusal(classifier(foreign=True), tmp_path)


def test_operators_before_opset_11_are_refused(tmp_path: Path) -> None:
    message = refusal(classifier(opset=9), tmp_path)

    assert "got opset 9; expected opset 11 or newer. Export it again" in message


def test_an_operator_that_opset_20_lacks_is_refused_by_its_node(tmp_path: Path) -> None:
    write = Writer()
    write.add("RMSNormalization", "pixels", write.hold("s", np.ones(8, np.float32)), to="normed")
    write.add("GlobalAveragePool", "normed", to="mean")
    write.add("Flatten", "mean", to="answer")
    image, answer = tensor("pixels", ["N", 3, 8, 8]), tensor("answer", ["N", 3])

    message = refusal(write.model([image], [answer], opset=23), tmp_path)

    assert "got RMSNormalization (node_normed) at opset 23" in message


def test_two_inputs_are_refused(tmp_path: Path) -> None:
    model = classifier()
    model.graph.input.append(tensor("speed", ["N", 1]))

    assert "got 2 inputs: pixels, speed" in refusal(model, tmp_path)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([0, 3, -1], "looks like a detector: got 3 times 64 numbers an image"),
        ([0, 3, 8, 8], "looks like a segmenter: got maps (3, 8, 8) an image"),
    ],
)
def test_what_is_no_classifier_is_refused(shape: list[int], words: str, tmp_path: Path) -> None:
    write = Writer()
    write.add("Reshape", "pixels", write.hold("shape", np.array(shape, np.int64)), to="answer")
    model = write.model([tensor("pixels", ["N", 3, 8, 8])], [tensor("answer", None)])

    assert words in refusal(model, tmp_path)


def test_labels_are_refused(tmp_path: Path) -> None:
    write = Writer()
    write.add("GlobalAveragePool", "pixels", to="mean")
    write.add("ArgMax", "mean", to="answer", axis=1)
    answer = tensor("answer", None, TensorProto.INT64)
    model = write.model([tensor("pixels", ["N", 3, 8, 8])], [answer])

    assert "gives labels, no scores" in refusal(model, tmp_path)


def test_a_size_that_is_open_needs_images(tmp_path: Path) -> None:
    write = Writer()
    write.add("GlobalAveragePool", "pixels", to="mean")
    write.add("Flatten", "mean", to="answer")
    model = write.model([tensor("pixels", ["N", 3, "H", "W"])], [tensor("answer", ["N", 3])])

    assert "leaves the size of its images open" in refusal(model, tmp_path)
    assert (8, 8) == (take(saved(model, tmp_path), IMAGES).form.height, SIDE)


def test_images_of_another_size_are_refused_with_the_one_wanted(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"got 6x6; expected 8x8. Add --resize 8"):
        take(saved(classifier(), tmp_path), IMAGES[:, :6, :6])


def external(model: onnx.ModelProto, location: str, tmp_path: Path) -> Path:
    """Save the model with the weights of its last layer in another file."""
    (weight,) = (one for one in model.graph.initializer if one.name == "dense")
    data = numpy_helper.to_array(weight).tobytes()
    (tmp_path / "model.data").write_bytes(b"pad!" + data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": 4, "length": len(data)}.items():
        weight.external_data.add(key=key, value=str(value))
    return saved(model, tmp_path)


def test_weights_beside_the_file_are_taken_into_it(tmp_path: Path) -> None:
    path = external(classifier(), "model.data", tmp_path)

    taken = take(path, IMAGES)

    (tmp_path / "model.data").unlink()
    expected = logits(take(saved(classifier(), tmp_path), IMAGES), IMAGES)
    np.testing.assert_array_equal(expected, logits(taken, IMAGES))


@pytest.mark.parametrize("location", ["../model.data", "/etc/hostname", "a/../../model.data", ""])
def test_no_file_outside_the_models_folder_is_read(location: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"reads a file outside its folder"):
        take(external(classifier(), location, tmp_path))


def test_no_link_leads_out_of_the_folder(tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (inner / "linked").symlink_to(tmp_path / "secret")

    with pytest.raises(InputError, match=r"reads a file outside its folder"):
        take(external(classifier(), "linked", inner))


def test_weights_that_are_not_there_or_cut_short_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"lacks weights.*Copy both into one folder"):
        take(external(classifier(), "other.data", tmp_path))
    path = external(classifier(), "model.data", tmp_path)
    (tmp_path / "model.data").write_bytes(bytes(10))

    with pytest.raises(InputError, match=r"model.data is cut short: got 6 bytes of dense"):
        take(path)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_file_cut_short_is_told(share: float, tmp_path: Path) -> None:
    data = classifier().SerializeToString()
    path = tmp_path / "cut.onnx"
    path.write_bytes(data[: int(share * len(data))])

    with pytest.raises(InputError, match=r"is no ONNX file, or cut short.*Copy it again"):
        take(path)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none.onnx"):
        take(tmp_path / "none.onnx")
