"""Rivals, from files and from other bundles, on the real runtimes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import counts
from calexnet.bench.measuring.rivals import Rival, open_rival, open_rivals, short_names
from calexnet.bench.report.rivals import RivalRecord, TensorForm
from calexnet.errors import BundleError, InputError
from calexnet.files import schema
from calexnet.files.storage import sha256
from calexnet.runtimes import load
from tests.support.classifier_files import expected_logits, write_onnx, write_tflite
from tests.support.onnx_bundle import (
    CLASSES,
    preprocessing,
    random_images,
    write_bundle,
    write_cut_bundle,
)

IMAGES = random_images(9)


def rival_at(path: Path, **options: Any) -> Rival:
    return open_rival(path, preprocessing(), CLASSES, 1, **options)


@pytest.mark.parametrize("name", ["small.onnx", "small.tflite"])
def test_a_file_answers_as_its_network_does(tmp_path: Path, name: str) -> None:
    write = write_onnx if name.endswith("onnx") else write_tflite
    rival = rival_at(write(tmp_path / name))
    expected = expected_logits(IMAGES).argmax(1)

    assert (name, "smaller model", 1) == (rival.name, rival.kind, rival.threads)
    assert np.array_equal(expected, rival.plain(IMAGES).labels)
    assert np.array_equal(expected, rival.labels(IMAGES))
    assert rival.takes(1)
    assert rival.takes(64)


@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_graph_for_one_batch_size_answers_any_number_of_images(
    tmp_path: Path, batch: int
) -> None:
    rival = rival_at(write_onnx(tmp_path / "small.onnx", batch=batch))

    assert np.array_equal(expected_logits(IMAGES).argmax(1), rival.labels(IMAGES))
    assert np.int32 == rival.labels(IMAGES[:0]).dtype
    assert [batch] == [n for n in (1, 2, 3, 4) if rival.takes(n)]


def test_the_record_says_what_was_measured(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "small.onnx", batch=1)

    record = rival_at(path).record

    assert sha256(path.read_bytes()) == record.sha256
    assert ("onnxruntime", None, 1, str(path)) == (
        record.target,
        record.precision,
        record.batch,
        record.path,
    )
    assert TensorForm("float32", ("n", 3, 8, 8), "normalised") == record.takes
    assert TensorForm("float32", (1, 4), "one number a class") == record.gives
    assert (3 * len(CLASSES), None) == (record.macs, record.macs_message)
    assert record == schema.decode(RivalRecord, schema.encode(record))


@pytest.mark.parametrize("batch", [None, 1, 4])
def test_the_macs_are_those_of_one_image(tmp_path: Path, batch: Any) -> None:
    graph = rival_at(write_onnx(tmp_path / "small.onnx", batch=batch))
    flat = rival_at(write_tflite(tmp_path / "small.tflite", batch=batch or -1))

    assert [3 * len(CLASSES)] * 2 == [graph.record.macs, flat.record.macs]


def test_macs_that_are_not_known_have_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = rival_at(write_onnx(tmp_path / "foreign.onnx", foreign=True)).record
    open_side = rival_at(write_onnx(tmp_path / "open.onnx", size="side")).record
    monkeypatch.setattr(counts, "UNCOUNTED", frozenset(["Flatten"]))
    other = rival_at(write_onnx(tmp_path / "small.onnx")).record

    assert (None, ("Flatten",)) == (other.macs, other.uncounted)
    assert foreign.macs_message
    assert "which com.microsoft:Gelu makes" in foreign.macs_message
    assert open_side.macs_message
    assert open_side.macs_message.startswith("a graph cannot be counted: got no shape for ")


@pytest.mark.parametrize("network", ["plain", "cascade"])
@pytest.mark.parametrize("theirs", ["uint8", "float"])
@pytest.mark.parametrize("ours", ["uint8", "float"])
def test_another_bundle_answers_as_it_does_by_itself(
    tmp_path: Path, network: Any, theirs: Any, ours: Any
) -> None:
    write_bundle(tmp_path / "other", input=theirs)
    normalised = preprocessing().normalise(IMAGES)
    given = IMAGES if ours == "uint8" else normalised
    runner = load(tmp_path / "other", threads=1)
    ask = runner.plain if network == "plain" else runner
    expected = ask(IMAGES if theirs == "uint8" else normalised)

    rival = open_rival(tmp_path / "other", preprocessing(ours), CLASSES, 1, network=network)

    assert np.array_equal(expected.labels, rival.labels(given))
    assert np.array_equal(expected.exits, rival.plain(given).exits)
    assert f"other {network}" == rival.name
    assert {"plain": "smaller model", "cascade": "other cascade"}[network] == rival.kind


def test_the_record_of_a_bundle_has_its_hash_and_its_macs(tmp_path: Path) -> None:
    content = write_bundle(tmp_path / "other")

    plain, cascade = (rival_at(tmp_path / "other", network=n).record for n in ("plain", "cascade"))

    assert load(tmp_path / "other").bundle.sha256 == plain.sha256
    assert ("onnxruntime", "fp32", None) == (plain.target, plain.precision, plain.batch)
    assert content.macs.plain == plain.macs
    assert round(content.macs.expected((0.4, 0.4, 0.2))) == cascade.macs


def test_a_bundle_of_other_classes_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "other")

    with pytest.raises(InputError) as refusal:
        open_rival(tmp_path / "other", preprocessing(), ("yes", "no"), 1)

    assert (
        f"{tmp_path / 'other'} tells other classes apart: got ant, bee, cat, dog; expected yes, no"
    ) == str(refusal.value)


def test_a_bundle_of_other_images_is_refused(tmp_path: Path) -> None:
    write_bundle(tmp_path / "other")
    larger = type(preprocessing())(16, 16, (0.5,), (0.5,))

    with pytest.raises(InputError, match=r"takes other images: got \(8, 8, 3\); expected \(16, 16"):
        open_rival(tmp_path / "other", larger, CLASSES, 1)


def test_a_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"is not a bundle: got no manifest\.json"):
        rival_at(tmp_path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    expected = r"^there is no such rival: got .*/small; expected an \.onnx or \.tflite file, or a b"
    with pytest.raises(InputError, match=expected):
        rival_at(tmp_path / "small")


def test_a_file_has_no_cascade(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no cascade: expected a bundle$"):
        rival_at(write_onnx(tmp_path / "small.onnx"), network="cascade")


def test_several_rivals_have_names_of_their_own(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        write_onnx(tmp_path / folder / "model.onnx")
    paths = [tmp_path / "one/model.onnx", tmp_path / "two/model.onnx"]

    rivals = open_rivals(paths, preprocessing(), CLASSES, None)

    assert ["one/model.onnx", "two/model.onnx"] == [rival.name for rival in rivals]
    assert [paths[1]] == [Path(rival.record.path) for rival in rivals[1:]]
    write_bundle(tmp_path / "other")
    both = open_rivals([tmp_path / "other"], preprocessing(), CLASSES, None)
    assert ["other plain", "other cascade"] == [rival.name for rival in both]
    assert () == open_rivals([], preprocessing(), CLASSES, None)
    assert ("a.onnx", "b.onnx") == short_names([Path("x/a.onnx"), Path("x/b.onnx")])
    with pytest.raises(InputError, match=r"^a rival was given twice: got x/a\.onnx$"):
        short_names([Path("x/a.onnx"), Path("x/a.onnx")])


def test_a_network_cut_short_is_one_rival(tmp_path: Path) -> None:
    content = write_cut_bundle(tmp_path / "cut")

    (rival,) = open_rivals([tmp_path / "cut"], content.preprocessing, content.classes, 1)

    assert ("cut plain", "smaller model") == (rival.name, rival.kind)
    images = random_images(5)
    assert np.array_equal(rival.labels(images), load(tmp_path / "cut")(images).labels)
