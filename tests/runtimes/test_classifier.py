"""Classifiers in files of every form, on the real runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.errors import EngineError, InputError
from calexnet.manifest import TensorRecord
from calexnet.runtimes.classifier import Classifier, Intake, open_classifier
from tests.support.classifier_files import expected_logits, write_onnx, write_tflite
from tests.support.onnx_bundle import CLASSES, preprocessing, random_images

IMAGES = random_images(7)
#: Scale and zero point by which int8 holds all that normalised images hold here.
NARROW = (0.03, -5)


def opened(path: Path, input: Any = "uint8") -> Classifier:
    return open_classifier(path, preprocessing(input), len(CLASSES), threads=1)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("channels_first", [True, False])
@pytest.mark.parametrize("count", [1, 7])
def test_an_onnx_file_of_floats_gets_normalised_images(
    tmp_path: Path, dtype: str, channels_first: bool, count: int
) -> None:
    path = write_onnx(tmp_path / "a.onnx", dtype=dtype, channels_first=channels_first)
    expected = expected_logits(IMAGES[:count])

    found = opened(path)(IMAGES[:count])

    assert np.array_equal(expected.argmax(1), found.labels)
    assert np.allclose(expected.max(1), found.scores, atol=1e-2 if dtype == "float16" else 1e-5)
    assert [np.int32, np.float32] == [found.labels.dtype, found.scores.dtype]


@pytest.mark.parametrize("channels_first", [True, False])
def test_an_onnx_file_of_bytes_gets_raw_images(tmp_path: Path, channels_first: bool) -> None:
    path = write_onnx(tmp_path / "a.onnx", dtype="uint8", channels_first=channels_first)
    expected = expected_logits(IMAGES, normalised=False)

    classifier = opened(path)

    assert np.allclose(expected.max(1), classifier(IMAGES).scores, atol=1e-5)
    shape = (3, 8, 8) if channels_first else (8, 8, 3)
    tensor = classifier.intake.tensor
    assert ("uint8", ("n", *shape), True) == (tensor.dtype, tensor.shape, classifier.intake.raw)


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
def test_images_that_come_normalised_are_brought_into_form_too(tmp_path: Path, dtype: str) -> None:
    path = write_onnx(tmp_path / "a.onnx", dtype=dtype)
    normalised = preprocessing().normalise(IMAGES)

    assert np.array_equal(opened(path)(IMAGES).labels, opened(path, "float")(normalised).labels)


@pytest.mark.parametrize("output", ["logits", "probabilities", "labels", "column", "map"])
def test_labels_are_read_from_whatever_gives_them(tmp_path: Path, output: Any) -> None:
    path = write_onnx(tmp_path / "a.onnx", output=output)

    found = opened(path)(IMAGES)

    assert np.array_equal(expected_logits(IMAGES).argmax(1), found.labels)
    assert (output in ("labels", "column")) == np.isnan(found.scores).all()


def test_open_dimensions_take_the_images_as_they_are(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "a.onnx", batch=None, size="side")

    assert np.array_equal(expected_logits(IMAGES).argmax(1), opened(path)(IMAGES).labels)


def test_a_graph_for_one_batch_size_takes_no_other(tmp_path: Path) -> None:
    one = opened(write_onnx(tmp_path / "one.onnx", batch=1))
    two = opened(write_onnx(tmp_path / "two.onnx", batch=2))

    assert (1, 2) == (one.batch, two.batch)
    assert expected_logits(IMAGES[:1]).argmax(1) == one(IMAGES[:1]).labels
    assert np.array_equal(expected_logits(IMAGES[:2]).argmax(1), two(IMAGES[:2]).labels)
    with pytest.raises(InputError, match=r"^one.onnx takes another batch: got 3; expected 1, "):
        one(IMAGES[:3])


@pytest.mark.parametrize("signature", [True, False])
@pytest.mark.parametrize("batch", [-1, 1])
def test_a_tflite_file_of_floats_gets_normalised_images(
    tmp_path: Path, signature: bool, batch: int
) -> None:
    classifier = opened(write_tflite(tmp_path / "a.tflite", signature=signature, batch=batch))
    images = IMAGES if batch < 0 else IMAGES[:1]

    found = classifier(images)

    assert (None if batch < 0 else 1) == classifier.batch
    assert np.allclose(expected_logits(images).max(1), found.scores, atol=1e-5)


@pytest.mark.parametrize("quantisation", [None, (1 / 255, 0)])
def test_a_tflite_file_of_bytes_gets_raw_images(tmp_path: Path, quantisation: Any) -> None:
    path = write_tflite(tmp_path / "a.tflite", dtype="uint8", quantisation=quantisation)
    expected = expected_logits(IMAGES, normalised=False)

    assert np.allclose(expected.max(1), opened(path)(IMAGES).scores, atol=1e-4)


@pytest.mark.parametrize(("dtype", "quantisation"), [("int8", NARROW), ("uint8", (0.03, 123))])
def test_a_quantised_input_gets_normalised_images_in_its_own_steps(
    tmp_path: Path, dtype: str, quantisation: tuple[float, int]
) -> None:
    path = write_tflite(tmp_path / "a.tflite", dtype=dtype, quantisation=quantisation)

    found = opened(path)(IMAGES)

    # A step is 0.03, and a colour is the mean of many.
    assert np.allclose(expected_logits(IMAGES).max(1), found.scores, atol=0.03)


def test_a_quantised_output_is_read_in_its_own_steps(tmp_path: Path) -> None:
    path = write_tflite(tmp_path / "a.tflite", narrow_output=(0.05, 3))

    found = opened(path)(IMAGES)

    assert np.allclose(expected_logits(IMAGES).max(1), found.scores, atol=0.026)


@given(st.integers(0, 2**32 - 1))
def test_bytes_survive_being_normalised_and_restored(seed: int) -> None:
    images = random_images(2, seed)

    assert np.array_equal(images, preprocessing().restore(preprocessing().normalise(images)))


@given(st.integers(-128, 127), st.floats(0.001, 1))
def test_what_an_int8_input_stands_for_is_within_half_a_step(zero_point: int, scale: float) -> None:
    tensor = TensorRecord("x", "int8", ("n", 8, 8, 3), scale, zero_point)
    normalised = preprocessing().normalise(IMAGES).transpose(0, 2, 3, 1)

    steps = Intake(tensor, preprocessing(), channels_first=False, raw=False)(IMAGES)

    ends = scale * (np.array([-128, 127]) - zero_point)
    real = scale * (steps.astype(np.float64) - zero_point)
    assert np.abs(real - normalised.clip(*ends)).max() <= scale / 2 + 1e-4


@pytest.mark.parametrize("name", ["a.onnx", "a.tflite"])
def test_one_image_alone_is_answered_as_among_others(tmp_path: Path, name: str) -> None:
    write = write_onnx if name.endswith("onnx") else write_tflite
    classifier = opened(write(tmp_path / name))
    together = classifier(IMAGES)

    alone = [classifier(IMAGES[i : i + 1]) for i in range(len(IMAGES))]

    assert together.labels.tolist() == [int(one.labels[0]) for one in alone]
    assert np.allclose(together.scores, [float(one.scores[0]) for one in alone], atol=1e-5)


def test_a_graph_that_fails_says_so_and_stays_usable(tmp_path: Path) -> None:
    # It promises any batch, and has a dimension of 1 inside.
    classifier = opened(write_onnx(tmp_path / "a.onnx", batch="any", flat=1))

    with pytest.raises(
        EngineError, match=r"^onnxruntime failed in a\.onnx: got .* pixels \(7, 3, 8"
    ):
        classifier(IMAGES)
    assert expected_logits(IMAGES[:1]).argmax(1) == classifier(IMAGES[:1]).labels


REFUSED = {
    "a.pt": r"is no classifier that can be run here: got a file that ends in '.pt'; expected a "
    r"file that ends in .onnx or .tflite. Export the network first",
    "missing.onnx": r"^cannot read .*missing.onnx: got No such file or directory$",
    "garbage.onnx": r"^onnxruntime refuses .*garbage.onnx: got .*; expected one file with all its "
    r"weights, in operators that the runtime has$",
    "garbage.tflite": r"^tflite refuses .*garbage.tflite: got .*; expected one file with all its ",
}


@pytest.mark.parametrize("name", [*REFUSED])
def test_what_is_no_file_of_the_kind_is_refused(tmp_path: Path, name: str) -> None:
    if "missing" not in name:
        (tmp_path / name).write_bytes(b"nothing that anyone can read")

    with pytest.raises(InputError, match=REFUSED[name]):
        opened(tmp_path / name)


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    """The runtime would look for it in the working folder."""
    model = onnx.load(write_onnx(tmp_path / "a.onnx"))
    onnx.save(
        model,
        tmp_path / "b.onnx",
        save_as_external_data=True,
        size_threshold=0,
        location="b.weights",
    )

    with pytest.raises(
        InputError, match=r"b\.onnx: got a weight that lies in another file; expected one file with"
    ):
        opened(tmp_path / "b.onnx")


def test_another_image_size_is_refused_and_not_resized(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "a.onnx", size=16)

    with pytest.raises(InputError) as refusal:
        opened(path)

    assert (
        f"the input of {path} does not fit the images: got float32 (batch, 3, 16, 16); expected "
        "(n, 8, 8, 3) or (n, 3, 8, 8). Export it for images of this size: nothing is resized here, "
        "for that would cost time that is not its own."
    ) == str(refusal.value)


def test_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "a.onnx")

    with pytest.raises(InputError) as refusal:
        open_classifier(path, preprocessing(), 5, threads=1)

    assert (
        f"no output of {path} gives labels: got t2: float32 (1, 4); expected (1, 5) numbers"
        in str(refusal.value)
    )


def test_a_second_input_is_refused(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "a.onnx", extra_input=True)

    with pytest.raises(InputError, match=r"does not take images alone: got 2 inputs: float32 \(b"):
        opened(path)


@pytest.mark.parametrize("dtype", ["int8", "float64"])
def test_numbers_of_another_kind_are_refused(tmp_path: Path, dtype: str) -> None:
    path = write_onnx(tmp_path / "a.onnx", dtype=dtype)

    expected = rf"takes numbers of another kind: got {dtype} \(n, 3, 8, 8\); expected uint8, "
    with pytest.raises(InputError, match=expected):
        opened(path)
