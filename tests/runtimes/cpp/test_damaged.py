"""Damaged bundles end in codes and one line, under sanitizers; what Python refuses is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import calexnet
from calexnet.errors import BundleError
from calexnet.files import selfhash
from calexnet.files.storage import sha256
from tests.runtimes.cpp.conftest import require_runtime, run
from tests.support.onnx_bundle import random_images

Damage = Callable[[Path], object]
GRAPH = "onnxruntime/segment2.onnx"


@pytest.fixture
def bundle(hand_made: Path, tmp_path: Path) -> Path:
    """A copy to be damaged, with images beside it."""
    random_images(5).tofile(tmp_path / "images.raw")
    shutil.copytree(hand_made, tmp_path / "bundle")
    return tmp_path / "bundle"


def edited(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Return a damage that changes the manifest and gives it the hash that fits."""

    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        document = json.loads(path.read_text())
        change(document)
        path.write_bytes(selfhash.signed(document))

    return damage


def graph(document: dict[str, Any], segment: int = 1) -> Any:
    return document["compiled"][0]["segments"][segment]


def replaced(old: bytes, new: bytes, seal: bool = True) -> Damage:
    def damage(folder: Path) -> None:
        path = folder / "manifest.json"
        data = path.read_bytes().replace(old, new, 1)
        document = json.loads(data)
        path.write_bytes(selfhash.resealed(data, document) if seal else data)

    return damage


def linked(folder: Path) -> None:
    shutil.move(folder / GRAPH, folder.parent / "elsewhere.onnx")
    (folder / GRAPH).symlink_to(folder.parent / "elsewhere.onnx")


def regraphed(change: Callable[[Any], object]) -> Damage:
    """Return a damage that changes a graph, and records the changed file as it is then."""

    def damage(folder: Path) -> None:
        model = onnx.load(folder / GRAPH)
        change(model)
        data = model.SerializeToString()
        (folder / GRAPH).write_bytes(data)
        edited(lambda d: graph(d)["file"].update(sha256=sha256(data), size=len(data)))(folder)

    return damage


def moved_out(model: Any) -> None:
    weight = model.graph.initializer[0]
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.ClearField("raw_data")
    weight.external_data.add(key="location", value="/etc/hostname")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "no manifest": (lambda f: (f / "manifest.json").unlink(), "no manifest.json"),
    "a missing file": (lambda f: (f / GRAPH).unlink(), "cannot read"),
    "a cut file": (lambda f: (f / GRAPH).write_bytes((f / GRAPH).read_bytes()[:-1]), "was cut"),
    "a changed file": (
        lambda f: (f / GRAPH).write_bytes((f / GRAPH).read_bytes()[:-1] + b"!"),
        "was changed",
    ),
    "an unlisted file": (lambda f: (f / "note.txt").write_text("hello"), "does not list: note.txt"),
    "an unlisted link": (lambda f: (f / "up").symlink_to(f.parent), "does not list: up"),
    "a file elsewhere": (linked, "leaves the bundle"),
    "a path upwards": (
        edited(lambda d: graph(d)["file"].update(path="../elsewhere.onnx")),
        "leaves the bundle",
    ),
    "an absolute path": (
        edited(lambda d: graph(d)["file"].update(path="/etc/hostname")),
        "leaves the bundle",
    ),
    "an altered manifest": (replaced(b'"by-hand"', b'"by-foot"', seal=False), "was altered"),
    "another schema": (edited(lambda d: d.update(schema=3)), "schema 3, not 2"),
    "no JSON": (lambda f: (f / "manifest.json").write_bytes(b"{"), "is not JSON, at byte 2"),
    "a list": (lambda f: (f / "manifest.json").write_bytes(b"[]"), "no object"),
    "a key twice": (replaced(b'"schema": 2,', b'"schema": 2, "schema": 2,'), "twice"),
    "a byte order mark": (
        lambda f: (f / "manifest.json").write_bytes(
            b"\xef\xbb\xbf" + (f / "manifest.json").read_bytes()
        ),
        "BOM",
    ),
    "deep nesting": (
        lambda f: (f / "manifest.json").write_bytes(b'{"a":' + b"[" * 10**6 + b"]" * 10**6 + b"}"),
        "nested too deep",
    ),
    "no classes": (edited(lambda d: d.pop("classes")), "cannot be read"),
    "a short table": (
        edited(lambda d: d["operating_points"][0]["thresholds"].pop()),
        "do not fit",
    ),
    "a missing segment": (edited(lambda d: d["compiled"][0]["segments"].pop()), "2 segments"),
    "a weight elsewhere": (regraphed(moved_out), "a weight that lies in another file"),
    "a foreign operator": (
        regraphed(lambda m: setattr(m.graph.node[0], "domain", "my.own")),
        "operators of a domain",
    ),
    "functions of its own": (
        regraphed(lambda m: m.functions.add(name="f", domain="my.own")),
        "functions of its own",
    ),
    "a fixed batch": (
        regraphed(lambda m: m.graph.input[0].type.tensor_type.shape.dim[0].__init__(dim_value=4)),
        "other tensors",
    ),
    "a file of another type": (
        edited(lambda d: d["compiled"][0].update(target="tflite")),
        "of another type",
    ),
    "no such point": (edited(lambda d: d.update(default_operating_point="luck")), "luck"),
}


@pytest.mark.parametrize("name", [*DAMAGES])
def test_what_python_refuses_is_refused(sanitized: Path, bundle: Path, name: str) -> None:
    damage, words = DAMAGES[name]
    damage(bundle)
    with pytest.raises(BundleError):
        calexnet.load(bundle)

    done = run(sanitized / "calexnet-run", bundle, bundle.parent / "images.raw", code=2)

    (line,) = done.stderr.splitlines()
    assert line.startswith("calexnet-run: ")
    assert words in line
    assert "" == done.stdout


MISFITS = {
    "a larger carried tensor": lambda d: graph(d)["outputs"][0].update(shape=["n", 6, 2, 3]),
    "another dtype": lambda d: graph(d)["outputs"][0].update(dtype="int8"),
    "a shape that is no batch": lambda d: graph(d)["outputs"][0].update(shape=[6, 2, 2]),
    "an enormous shape": lambda d: graph(d)["outputs"][0].update(shape=["n", 2**31, 2**31]),
    "a negative shape": lambda d: graph(d)["outputs"][0].update(shape=["n", -6, 2, 2]),
    "another tensor": lambda d: graph(d)["outputs"][0].update(name="layer9"),
    "a tensor twice": lambda d: graph(d)["outputs"][0].update(name="layer1"),
    "no label": lambda d: graph(d)["outputs"].pop(1),
    "no gate": lambda d: graph(d)["outputs"].pop(3),
    "fewer classes": lambda d: graph(d)["outputs"][4].update(shape=["n", 3]),
    "a larger image": lambda d: d["preprocessing"].update(height=9),
    "an input that nobody makes": lambda d: graph(d)["inputs"][0].update(name="layer0"),
}


@pytest.mark.parametrize("name", [*MISFITS])
def test_a_manifest_that_lies_about_its_graphs_writes_nowhere(
    sanitized: Path, bundle: Path, name: str
) -> None:
    """Its hash fits; memory is laid out by what it says, so it must not be believed."""
    edited(MISFITS[name])(bundle)

    done = run(sanitized / "calexnet-run", bundle, bundle.parent / "images.raw", code=2)

    assert 1 == len(done.stderr.splitlines())


@pytest.mark.parametrize("junk", ["cut", "noise", "another graph"])
def test_a_tflite_file_that_is_none_of_this_cascade_is_refused(
    sanitized: Path, hand_made_tflite: Path, tmp_path: Path, junk: str
) -> None:
    require_runtime("tflite")
    random_images(5).tofile(tmp_path / "images.raw")
    shutil.copytree(hand_made_tflite, tmp_path / "bundle")
    path = tmp_path / "bundle/tflite/segment2.tflite"
    whole = path.read_bytes()
    data = {
        "cut": whole[: len(whole) // 2],
        "noise": whole[:8] + np.random.default_rng(0).bytes(4096),
        "another graph": path.with_name("segment1.tflite").read_bytes(),
    }[junk]
    path.write_bytes(data)

    def record(document: dict[str, Any]) -> None:
        build = next(one for one in document["compiled"] if one["target"] == "tflite")
        build["segments"][1]["file"].update(sha256=sha256(data), size=len(data))

    edited(record)(tmp_path / "bundle")

    words = (tmp_path / "bundle", tmp_path / "images.raw", "--target", "tflite")
    run(sanitized / "calexnet-run", *words, code=2)


def test_bytes_at_random_end_in_codes(sanitized: Path, bundle: Path) -> None:
    rng = np.random.default_rng(0)
    path = bundle / "manifest.json"
    whole = path.read_bytes()
    program = [sanitized / "calexnet-run", bundle, bundle.parent / "images.raw"]
    for _ in range(25):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.choice(np.frombuffer(b'0{}[]",:-9e\x00\xff', np.uint8))
        path.write_bytes(bytes(data[: rng.integers(len(data) // 2, len(data) + 1)]))

        run(*program, code=2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--threads", "0"), "--threads needs a whole number of at least 1, got '0'"),
        (("--batch",), "--batch needs a value"),
        (("--luck", "1"), "unknown option --luck"),
        (("--target", "tensorrt"), "holds no such build"),
        (("more.raw",), "a bundle and a file of images are needed"),
    ],
)
def test_a_wrong_word_is_told(
    sanitized: Path, bundle: Path, words: tuple[str, ...], message: str
) -> None:
    done = run(sanitized / "calexnet-run", bundle, bundle.parent / "images.raw", *words, code=2)

    (line,) = done.stderr.splitlines()
    assert message in line


def test_images_that_do_not_fit_are_told(sanitized: Path, bundle: Path) -> None:
    raw = bundle.parent / "images.raw"
    raw.write_bytes(raw.read_bytes()[:-1])

    done = run(sanitized / "calexnet-run", bundle, raw, code=2)

    assert "not a multiple of the 192 of one image" in done.stderr
