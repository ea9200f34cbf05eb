"""Whole networks as one cascade, from ONNX files to every target, evaluated and measured."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet import models
from calexnet.bundle import open_bundle
from calexnet.cli import main
from calexnet.cli.export import main as export
from calexnet.errors import CheckpointError
from calexnet.files import selfhash
from calexnet.gating import NEVER, forcing
from calexnet.models.asking import asked
from tests.support.networks import CLASSES, images, write_data, write_network

UNIT = ["--mean", "0,0,0", "--std", "1,1,1"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with data, a network for smaller images, and two larger ones."""
    folder = tmp_path_factory.mktemp("networks")
    write_data(folder / "data.npz")
    write_network(folder / "small.onnx", 6, noise=0.5)
    write_network(folder / "middle.onnx", copies=4, noise=0.4, seed=1)
    write_network(folder / "large.onnx", copies=16, seed=2)
    return folder


def train(place: Path, out: Path, *words: str, of: tuple[str, ...] = ("small", "large")) -> int:
    files = [str(place / f"{name}.onnx") for name in of]
    data = ["--data", str(place / "data.npz")]
    return main(["train", *files, *data, *UNIT, "--out", str(out), *words])


@pytest.mark.parametrize("answer", ["last", "average"])
def test_networks_become_a_cascade_on_every_target(
    answer: str, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, bundle, data = tmp_path / "run", str(tmp_path / "bundle"), str(place / "data.npz")
    names = ("small", "middle", "large")

    assert 0 == train(place, run, "--answer", answer, of=names)
    assert 0 == export([str(run), "--out", bundle])
    assert 0 == export([bundle, "--target", "tflite"])
    for target in ("onnxruntime", "tflite"):
        narrow = ["--precision", "int8", "--calib-data", data]
        assert 0 == export([bundle, "--target", target, *narrow])
    assert 0 == export([bundle, "--layout", "if"])
    assert 0 == main(["verify", bundle, "--data", data])
    assert 0 == main(["evaluate", str(run), "--data", data])

    told = capsys.readouterr().out
    assert "small alone" in told
    assert "middle alone" in told
    pixels, _ = images(64, seed=5)
    cascade, _ = models.load(run)
    said = asked(cascade)(pixels).answers(cascade.spec.average)
    for target in ("onnxruntime", "tflite"):
        runner = calexnet.load(bundle, target=target, precision="fp32")
        found = runner.ask_every_exit(pixels)
        np.testing.assert_array_equal(said.exits.labels, found.labels)
        np.testing.assert_allclose(said.exits.scores, found.scores, atol=1e-5)
        np.testing.assert_array_equal(said.plain_labels, runner.plain(pixels).labels)
        np.testing.assert_array_equal(
            runner.with_thresholds(forcing(runner.thresholds.shape, 2))(pixels).labels,
            said.exits.labels[1],
        )
    one = calexnet.load(bundle, layout="if")
    np.testing.assert_array_equal(runner(pixels).exits, one(pixels).exits)


def test_survivors_see_their_own_images(place: Path, tmp_path: Path) -> None:
    """Half of a batch leaves: the others are gathered from the images that the caller gave."""
    assert 0 == train(place, tmp_path / "run")
    assert 0 == export([str(tmp_path / "run"), "--out", str(tmp_path / "bundle")])
    assert 0 == export([str(tmp_path / "bundle"), "--target", "tflite"])
    pixels, _ = images(33, seed=6)

    for target in ("onnxruntime", "tflite"):
        runner = calexnet.load(tmp_path / "bundle", target=target, lazy=True)
        table = np.full(runner.thresholds.shape, NEVER, np.float32)
        plain = runner.with_thresholds(table)(pixels).labels
        table[0, :2] = -np.inf
        exits = runner.with_thresholds(table)(pixels)
        assert {1, 2} == {*exits.exits}
        np.testing.assert_array_equal(plain[exits.exits == 2], exits.labels[exits.exits == 2])


def test_the_manifest_says_what_the_networks_are(place: Path, tmp_path: Path) -> None:
    card = {"licence": "MIT", "mean": [0.0] * 3, "std": [1.0] * 3, "classes": list(CLASSES[::-1])}
    (tmp_path / "small.onnx").write_bytes((place / "small.onnx").read_bytes())
    files = [str(tmp_path / "small.onnx"), str(place / "large.onnx")]
    words = ["--data", str(place / "data.npz"), *UNIT, "--out", str(tmp_path / "run")]

    assert 0 == main(["train", *files, *words])
    (tmp_path / "small.json").write_text(json.dumps(card))
    assert 0 == main(["train", *files, *words[:-1], str(tmp_path / "turned")])
    assert 0 == export([str(tmp_path / "run"), "--out", str(tmp_path / "bundle")])

    content = open_bundle(tmp_path / "bundle").manifest
    assert [("small", "network")] == [(one.attach, one.head) for one in content.branches]
    assert ["small", "large"] == [one.name for one in content.provenance.models]
    assert (0, 16 * 2 * 3 * 64 + 64 * 4) == content.macs.stages
    small = 2 * 3 * 36 + 4 * 4 + 2 * 3 * (8 * 6 * 8 + 6 * 6 * 8)
    assert (small,) == content.macs.branches
    turned, _ = models.load(tmp_path / "turned")
    straight, _ = models.load(tmp_path / "run")
    assert ("MIT", None) == tuple(one.licence for one in turned.spec.models)
    pixels, _ = images(16)
    one, other = (asked(cascade)(pixels).logits for cascade in (straight, turned))
    np.testing.assert_array_equal(one[0][:, ::-1], other[0])
    np.testing.assert_array_equal(one[1], other[1])


def test_thresholds_can_be_given(place: Path, tmp_path: Path) -> None:
    """What a search found is written as a run like any other."""
    assert 0 == train(place, tmp_path / "run")
    cascade, _ = models.load(tmp_path / "run")
    from calexnet import data
    from calexnet.data.split import divide

    samples = data.load(str(place / "data.npz"))
    plan = models.ModelPlan(thresholds={"mine": np.full((1, 4), 0.7, np.float32)})

    found = models.cascade_of(cascade.models, samples, divide(samples, 0), plan)

    assert ("mine",) == tuple(point.name for point in found.spec.operating_points)
    assert 0 < found.spec.operating_points[0].early < 1
    (tmp_path / "mine").mkdir()
    models.save(found, tmp_path / "mine")
    assert found.spec == models.load(tmp_path / "mine")[0].spec


def test_branches_on_the_large_network_stand_behind_a_small_one(
    place: Path, tmp_path: Path
) -> None:
    data, behind = str(place / "data.npz"), str(tmp_path / "behind")
    words = ["--attach", "lit", "--epochs", "1", "--head", "linear", "--out", behind]
    bundle = str(tmp_path / "bundle")

    assert 0 == main(["train", str(place / "large.onnx"), "--data", data, *UNIT, *words])
    files = [str(place / "small.onnx"), behind]
    run = str(tmp_path / "run")
    assert 0 == main(["train", *files, "--data", data, *UNIT, "--answer", "average", "--out", run])
    for precision in ("fp32", "int8"):
        narrow = [] if precision == "fp32" else ["--calib-data", data]
        assert 0 == export([run, "--precision", precision, *narrow, "--out", bundle])
    assert 0 == export([bundle, "--layout", "if"])
    assert 0 == main(["verify", bundle, "--data", data])

    branches = open_bundle(Path(bundle)).manifest.branches
    assert [("small", "network"), ("lit", "linear")] == [(one.attach, one.head) for one in branches]
    pixels, _ = images(64, seed=7)
    cascade, _ = models.load(Path(run))
    said = asked(cascade)(pixels).answers(cascade.spec.average)
    found = calexnet.load(bundle, precision="fp32").ask_every_exit(pixels)
    np.testing.assert_allclose(said.exits.scores, found.scores, atol=1e-4)


@pytest.mark.parametrize(
    ("of", "words", "message"),
    [
        (("large", "small"), [], "the networks do not come in the order of their cost"),
        (("small", "small"), [], "two networks have one name: got 'small'"),
        (("small", "cut"), [], "cut.onnx is no ONNX file, or cut short"),
        (("small", "large"), ["--weights", "w.npz"], "--weights is not for several whole networks"),
        (("small", "large"), ["--rule", "none"], "'none'"),
    ],
)
def test_networks_that_do_not_fit_are_refused_in_one_line(
    of: tuple[str, ...],
    words: list[str],
    message: str,
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole = (place / "large.onnx").read_bytes()
    (place / "cut.onnx").write_bytes(whole[: len(whole) // 2])

    assert 2 == train(place, tmp_path / "run", *words, of=of)

    told = capsys.readouterr().err
    assert message in told
    assert told.strip().splitlines()[-1].startswith("calexnet train: error: ")
    assert not (tmp_path / "run").exists()


def test_other_classes_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels, labels = images(90)
    names = np.array(["a", "b", "c"])
    np.savez(tmp_path / "three.npz", images=pixels, labels=labels % 3, classes=names)
    files = [str(place / f"{name}.onnx") for name in ("small", "large")]

    assert 2 == main(
        ["train", *files, "--data", str(tmp_path / "three.npz"), "--out", str(tmp_path / "run")]
    )
    assert "small.onnx: the network has other classes than the data: got 4 classes; expected 3" in (
        capsys.readouterr().err
    )


def test_a_network_for_other_pixels_is_read_both_ways(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_network(tmp_path / "bytes.onnx", 6, noise=0.5, most=255.0)
    files = [str(tmp_path / "bytes.onnx"), str(place / "large.onnx")]

    assert 0 == main(
        ["train", *files, "--data", str(place / "data.npz"), *UNIT, "--out", str(tmp_path / "run")]
    )

    told = capsys.readouterr().out
    assert "WARNING: that is no better than chance" in told
    right = float(told.partition("as 0..255: ")[2].partition("%")[0])
    assert 60 < right < 101


_WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
from calexnet.cli import main
from calexnet.cli.export import main as export
small, large, data, folder = sys.argv[1:]
run, bundle = f"{folder}/run", f"{folder}/bundle"
words = ["--data", data, "--mean", "0,0,0", "--std", "1,1,1", "--answer", "average"]
assert 0 == main(["train", small, large, *words, "--out", run])
assert 0 == export([run, "--out", bundle])
assert 0 == export([run, "--out", bundle, "--layout", "if"])
assert 0 == main(["verify", bundle, "--data", data])
assert 0 == main(["evaluate", run, "--data", data])
assert 0 == main(["predict", bundle, "--data", data])
import calexnet.cli.bench
"""


def test_no_torch_is_needed_from_files_to_an_app(place: Path, tmp_path: Path) -> None:
    files = [str(place / name) for name in ("small.onnx", "large.onnx", "data.npz")]
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_TORCH, *files, str(tmp_path)],
        capture_output=True,
        text=True,
    )

    assert 0 == done.returncode, done.stderr[-2000:]
    assert "small alone" in done.stdout


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("classes", ["dark"] * 4),
        ("default_operating_point", "x"),
        ("operating_points.0.thresholds", [[0.5]]),
        ("plain_accuracy", 1e300),
        ("cuts", []),
        ("models.0.macs", [-1]),
        ("models.0.macs", [1, 2]),
        ("split.parts.test.samples", -1),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(
    where: str, value: object, networks_run: Path, tmp_path: Path
) -> None:
    run = Path(shutil.copytree(networks_run, tmp_path / "run"))
    document = json.loads((run / "cascade.json").read_text())
    holder, (*outer, last) = document["models"], where.split(".")
    for key in outer:
        holder = holder[int(key) if isinstance(holder, list) else key]
    holder[last] = value
    (run / "cascade.json").write_bytes(selfhash.signed(document))

    with pytest.raises(CheckpointError, match=r"cascade.json is damaged: got models\.\w+"):
        models.load(run)


@pytest.fixture(scope="module")
def networks_run(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two networks; nobody may change it."""
    out = tmp_path_factory.mktemp("runs") / "run"
    assert 0 == train(place, out)
    return out
