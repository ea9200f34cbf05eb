"""A cascade on disk: the same bits come back, nothing runs, and every damage is told."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from calexnet import cli
from calexnet.errors import CheckpointError
from calexnet.files import schema, selfhash
from calexnet.files.storage import sha256
from calexnet.training import checkpoint
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.cascade import Cascade
from calexnet.training.record import RECORD
from tests.support.small_cascade import is_same, untrained, weights

FILES = ("backbone.safetensors", "branches.safetensors", "samples.npz")


class Bomb:
    """Unpickling this fails the test."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return pytest.fail, ("a pickle was run",)


@pytest.fixture
def run(small_run: Path, tmp_path: Path) -> Path:
    """A copy of a run folder, to be damaged."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    return build(BackboneSpec("resnet8", 4))


def edit(run: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Change a run's document and sign for it."""
    document = json.loads((run / RECORD).read_text())
    change(document)
    (run / RECORD).write_bytes(selfhash.signed(document))


def replace(run: Path, name: str, data: bytes) -> None:
    """Put `data` in place of a file and sign for it."""
    (run / name).write_bytes(data)
    edit(run, lambda document: document["files"].update({name: sha256(data)}))


def test_a_cascade_comes_back_bit_for_bit(small_cascade: Cascade, small_run: Path) -> None:
    loaded, _ = checkpoint.load(small_run)

    assert small_cascade.spec == loaded.spec
    assert is_same(weights(small_cascade), weights(loaded))
    assert np.array_equal(small_cascade.samples.images, loaded.samples.images)
    assert np.array_equal(small_cascade.samples.labels, loaded.samples.labels)
    images = small_cascade.samples.images
    assert np.array_equal(small_cascade.answer(images).scores, loaded.answer(images).scores)
    assert not any(module.training for branch in loaded.branches for module in branch.modules())


def test_a_run_is_four_plain_files(small_run: Path) -> None:
    assert {*FILES, RECORD} == {path.name for path in small_run.iterdir()}
    for name in FILES[:2]:
        assert safetensors.torch.load((small_run / name).read_bytes())


def test_thresholds_that_nobody_reaches_come_back(tmp_path: Path) -> None:
    made = untrained("resnet8", ("layer1",))

    checkpoint.save(made, tmp_path)

    table = checkpoint.load(tmp_path)[0].spec.operating_points[0].table()
    assert [[np.inf, 0.0, np.inf, 0.0]] == table.tolist()


def test_one_run_has_one_name_and_a_changed_one_another(small_run: Path, run: Path) -> None:
    names = [checkpoint.load(folder)[1] for folder in (small_run, run)]
    edit(run, lambda document: document["cascade"]["recipe"].update(score="gap"))

    assert names[0] == names[1] != checkpoint.load(run)[1]


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused(run: Path, name: str) -> None:
    data = bytearray((run / name).read_bytes())
    data[-1] ^= 1
    (run / name).write_bytes(data)

    with pytest.raises(
        CheckpointError,
        match=rf"{name} was changed: got SHA-256 \w{{12}}\.\.\.; expected \w{{12}}\.\.\.\. Train",
    ):
        checkpoint.load(run)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_told(run: Path, name: str) -> None:
    (run / name).unlink()

    with pytest.raises(CheckpointError, match=rf"^cannot read .*{name}: got No such file"):
        checkpoint.load(run)


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_the_record_does_not_sign_for_is_refused(run: Path, name: str) -> None:
    edit(run, lambda document: document["files"].pop(name))

    with pytest.raises(CheckpointError, match=rf"{name} was changed: .*expected none"):
        checkpoint.load(run)


@pytest.mark.parametrize("schema", [0, 1, None, "2"])
def test_another_schema_is_refused(run: Path, schema: object) -> None:
    edit(run, lambda document: document.update(schema=schema))

    with pytest.raises(
        CheckpointError,
        match=rf"cascade.json is of another schema: got {schema!r}; expected 2\. Train again with",
    ):
        checkpoint.load(run)


@pytest.mark.parametrize(
    "record", [b"", b"{", b"\xff", b'{"schema": 2}', b'{"schema": 2, "files": {}, "cascade": []}']
)
def test_a_damaged_record_is_told(run: Path, record: bytes) -> None:
    (run / RECORD).write_bytes(record)

    with pytest.raises(CheckpointError, match=r"cascade.json is damaged: got .*\. Train again, or"):
        checkpoint.load(run)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("attach", ["layer1", "layer1"]),
        ("attach", ["layer1"]),
        ("classes", ["red", "red", "green", "blue"]),
        ("classes", ["red", "green", "blue"]),
        ("backbone.classes", 5),
        ("backbone.classes", 10**12),
        ("operating_points", []),
        ("operating_points.1.name", "cpm-0"),
        ("operating_points.0.thresholds", [[0.5, 0.5, 0.5, 0.5]]),
        ("operating_points.0.thresholds.1", [0.5]),
        ("operating_points.0.exit_rates", [1.0]),
        ("operating_points.0.exit_rates", [0.5, 0.5, 0.5]),
        ("operating_points.0.exit_rates", [2.0, -1.0, 0.0]),
        ("operating_points.0.accuracy", 1.5),
        ("operating_points.0.precisions", [0.5]),
        ("operating_points.0.precisions", [0.5, -1.0]),
        ("default_operating_point", "x"),
        ("branches.0.attach", "layer2"),
        ("branches.0.left", -1),
        ("branches.0.calibration_accuracy", 1e300),
        ("branches.0.effective_samples", -1.0),
        ("cuts.0.accuracy", -0.5),
        ("cuts", [{"accuracy": 0.5, "counts": None}]),
        ("plain_accuracy", 2.0),
        ("uncalibrated", ["purple"]),
        ("recipe.widths", [4]),
        ("recipe.widths", [4, 0]),
        ("split.parts.test.samples", -1),
        ("graph", {"macs": [1, 2], "parameters": 0}),
        ("graph", {"macs": [3, 2, 4], "parameters": 0}),
        ("graph", {"macs": [1, 2, 3], "parameters": -1}),
        ("heads", [{"reads": [0], "state_width": 0, "macs": 1, "parameters": 1}] * 2),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(run: Path, place: str, value: object) -> None:
    *outer, last = place.split(".")

    def change(document: dict[str, Any]) -> None:
        holder: Any = document["cascade"]
        for key in outer:
            holder = holder[int(key) if isinstance(holder, list) else key]
        holder[int(last) if isinstance(holder, list) else last] = value

    edit(run, change)

    with pytest.raises(CheckpointError, match=r"cascade.json is damaged: got cascade\.\w+"):
        checkpoint.load(run)


def test_a_folder_without_a_cascade_says_how_to_make_one(tmp_path: Path) -> None:
    advice = r"expected what calexnet train writes\. Train one, for example: calexnet train "
    with pytest.raises(CheckpointError, match=rf"holds no trained cascade: got no casc.*{advice}"):
        checkpoint.load(tmp_path)
    with pytest.raises(CheckpointError, match=r"none holds no trained cascade: got no folder; "):
        checkpoint.load(tmp_path / "none")


@pytest.mark.slow
def test_a_bundle_in_place_of_a_run_is_never_offered_as_a_place_to_train_to(
    small_bundle: Path,
) -> None:
    advice = r"Give the run that it was exported from; calexnet-bench and calexnet verify take it\."
    with pytest.raises(
        CheckpointError, match=rf"holds no trained cascade: got a bundle; .*{advice}$"
    ):
        checkpoint.load(small_bundle)


@pytest.mark.parametrize(
    "data", [safetensors.torch.save({"conv1.weight": torch.zeros(2)}), b"no tensors", b""]
)
@pytest.mark.parametrize("name", FILES[:2])
def test_signed_tensors_of_another_cascade_are_refused(run: Path, name: str, data: bytes) -> None:
    replace(run, name, data)

    with pytest.raises(CheckpointError, match=rf"the tensors in .*{name} do not fit the cascade"):
        checkpoint.load(run)


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": np.array([0, 9_000_000_000])},
        {"labels": np.array([0, -1])},
        {"labels": np.int64(1)},
        {"labels": np.array(["0", "1"])},
        {"images": np.zeros((2, 1, 1, 3), np.uint8)},
        {"images": np.zeros((2, 32, 32, 3))},
    ],
)
def test_signed_samples_that_do_not_fit_are_refused(run: Path, changes: dict[str, Any]) -> None:
    height, width, channels = checkpoint.load(run)[0].spec.preprocessing.image_shape
    images = np.zeros((2, height, width, channels), np.uint8)
    np.savez(run / "other.npz", **{"images": images, "labels": np.array([0, 1]), **changes})

    replace(run, "samples.npz", (run / "other.npz").read_bytes())

    with pytest.raises(CheckpointError, match=r"samples.npz does not fit the cascade: got images"):
        checkpoint.load(run)


def test_no_pickle_is_run_even_if_it_is_signed_for(run: Path) -> None:
    images = np.empty(1, dtype=object)
    images[0] = Bomb()
    np.savez(run / "bomb.npz", images=images, labels=images)

    replace(run, "samples.npz", (run / "bomb.npz").read_bytes())
    with pytest.raises(CheckpointError, match=r"samples.npz is damaged: got Python objects"):
        checkpoint.load(run)
    replace(run, "branches.safetensors", pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError, match="do not fit the cascade"):
        checkpoint.load(run)


def test_a_run_that_was_edited_is_refused_until_it_is_sealed(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = run / RECORD
    _, before = checkpoint.load(run)
    assert json.loads(path.read_bytes())["sha256"] == before
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 7', 1))

    with pytest.raises(
        CheckpointError,
        match=r"cascade\.json was altered: got content with SHA-256 \w{12}\.\.\.; expected "
        rf"{before[:12]}\.\.\., as it says of itself\. Train again, or restore the folder; after "
        r"an edit on purpose: calexnet seal .*cascade\.json\.$",
    ):
        checkpoint.load(run)

    assert 0 == cli.main(["seal", str(run)])
    _, after = checkpoint.load(run)
    assert before != after
    assert f"sealed with {after}" in capsys.readouterr().out


def test_a_run_of_an_earlier_version_without_a_hash_is_read_and_named_as_it_was(
    run: Path,
) -> None:
    document = json.loads((run / RECORD).read_bytes())
    del document["sha256"]
    (run / RECORD).write_text(json.dumps(document))

    _, identity = checkpoint.load(run)

    assert schema.fingerprint(document) == identity
