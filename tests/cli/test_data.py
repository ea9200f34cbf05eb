"""``calexnet data``: any data set as one file."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from calexnet import data
from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide, recorded_test_part, thin
from tests.support import image_sets
from tests.support.onnx_bundle import random_images, sample_data


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Seven images in two folders."""
    for index, image in enumerate(random_images(7)):
        path = tmp_path / f"tree/{'ab'[index % 2]}/{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    return tmp_path / "tree"


def assert_same(one: Dataset, other: Dataset) -> None:
    assert np.array_equal(one.images, other.images)
    assert np.array_equal(one.labels, other.labels)
    assert (one.classes, one.keys) == (other.classes, other.keys)


def test_a_folder_of_images_becomes_a_file_that_loads_equal(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "set.npz"

    assert 0 == main(["data", str(tree), "--out", str(out)])

    assert_same(data.load(str(tree)), data.load(str(out)))
    assert f"{out}: 7 images of 8x8x3, 2 classes\n" == capsys.readouterr().out
    assert ["set.npz"] == [path.name for path in out.parent.iterdir()]


def test_the_digits_become_a_file_that_loads_equal(tmp_path: Path) -> None:
    out = tmp_path / "digits.npz"

    assert 0 == main(["data", "digits", "--out", str(out)])

    assert_same(data.load("digits"), data.load(str(out)))
    assert "digits" == data.load(str(out)).name


def test_a_file_may_be_written_over_itself(tmp_path: Path) -> None:
    out = tmp_path / "squares.npz"
    npz.save(sample_data(), out)

    assert 0 == main(["data", str(out), "--out", str(out)])

    assert_same(sample_data(), data.load(str(out)))


def test_the_test_part_alone_is_written_and_found_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image_sets.write_cifar100_archive(tmp_path)
    whole = data.load("cifar100-coarse", tmp_path)
    out = tmp_path / "test.npz"
    command = ["data", "cifar100-coarse", "--data-root", str(tmp_path), "--out", str(out)]

    assert 0 == main([*command, "--part", "test"])

    split = divide(whole, seed=0)
    assert_same(whole.take(split.indices["test"]), data.load(str(out)))
    assert f"{out}: 6 images of 32x32x3, 3 classes\n" == capsys.readouterr().out
    found = recorded_test_part(data.load(str(out)), split.record)
    assert list(range(6)) == found.tolist()


def test_the_part_is_that_of_the_rule_and_seed_given(tree: Path, tmp_path: Path) -> None:
    whole, out = data.load(str(tree)), tmp_path / "set.npz"
    rule = "train=all[0%:30%] calibration=all[30%:60%] test=all[60%:100%]"
    command = ["data", str(tree), "--out", str(out), "--split", rule, "--seed", "1"]

    assert 0 == main([*command, "--part", "calibration"])

    expected = divide(whole, 1, rule).indices["calibration"]
    assert_same(whole.take(expected), data.load(str(out)))


@pytest.mark.parametrize("limit", [1, 4, 7, 100])
def test_a_limit_keeps_so_many_images_in_their_order(
    tree: Path, tmp_path: Path, limit: int
) -> None:
    whole, out = data.load(str(tree)), tmp_path / "set.npz"

    assert 0 == main(["data", str(tree), "--out", str(out), "--limit", str(limit)])

    assert_same(whole.take(thin(whole, np.arange(7), limit, 0)), data.load(str(out)))
    assert min(limit, 7) == len(data.load(str(out)))


@pytest.mark.parametrize("limit", ["0", "-1", "1.5", "many"])
def test_a_limit_that_is_no_count_is_refused(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], limit: str
) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["data", str(tree), "--out", str(tmp_path / "set.npz"), f"--limit={limit}"])

    assert 2 == stop.value.code
    assert f"got '{limit}'; expected a positive whole number" in capsys.readouterr().err


def test_a_split_without_a_part_is_refused(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "set.npz"

    assert 2 == main(["data", str(tree), "--out", str(out), "--split", "train=all"])

    expected = "calexnet data: error: a split without a part of it. Add --part test, or leave out"
    assert capsys.readouterr().err.startswith(expected)
    assert not out.exists()


@pytest.mark.parametrize("name", ["set", "set.zip", "set.npy"])
def test_another_kind_of_file_is_refused(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / name

    assert 2 == main(["data", str(tree), "--out", str(out)])

    expected = f"calexnet data: error: cannot write a data set: got {out}; expected a name.npz\n"
    assert expected == capsys.readouterr().err
    assert not out.exists()


def grow(root: Path, *files: str) -> Path:
    for name in files:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        PIL.Image.new("RGB", (2, 2)).save(root / name)
    return root


def pickles(root: Path) -> Path:
    (root / "cifar-10-batches-py").mkdir()
    (root / "cifar-10-batches-py" / "batches.meta").write_bytes(b"\x80\x04].")
    return root / "cifar-10-batches-py"


def array_file(root: Path, **changes: Any) -> Path:
    plain = {"images": np.zeros((2, 4, 4, 3), np.uint8), "labels": np.array([0, 1])}
    np.savez(root / "set.npz", **{**plain, **changes})
    return root / "set.npz"


def terabytes(root: Path) -> Path:
    path = array_file(root, images=np.zeros((1, 1, 1, 3), np.uint8))
    path.write_bytes(path.read_bytes().replace(b"(1, 1, 1, 3)", b"(9" + b"0" * 8 + b",3)"))
    return path


def pipe(root: Path) -> Path:
    os.mkfifo(root / "set.npz")
    return root / "set.npz"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda root: grow(root, "train/a.png", "test/b.png"), "can be read in two ways: got test"),
        (
            lambda root: grow(root, "pets/cat/a.png", "pets/dog/b.png"),
            "in two ways: got pets as the",
        ),
        (lambda root: grow(root, "train/a/1.png", "val/a/1.png", "dev/a/1.png"), "two folders for"),
        (pickles, "holds pickled Python objects, which are never read: expected the binary"),
        (lambda root: array_file(root, labels=np.array([0, 1 << 43])), "labels up to 87960930222"),
        (lambda root: array_file(root, labels=np.array([{}, 1])), "got Python objects, which are"),
        (
            lambda root: array_file(root, images=np.zeros((2, 0, 0, 3), np.uint8)),
            "cannot be used: ",
        ),
        (lambda root: array_file(root, classes=np.array(["cat", "cat"])), "got 'cat' twice; expec"),
        (terabytes, "cannot read "),
        (pipe, "unknown data set: got "),
    ],
    ids=[
        "parts without classes",
        "one folder too many",
        "two validation parts",
        "pickled CIFAR",
        "absurd labels",
        "pickled labels",
        "no pixels",
        "class twice",
        "terabytes",
        "pipe",
    ],
)
def test_what_is_no_data_set_ends_in_one_line(
    tmp_path: Path,
    make: Callable[[Path], Path],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out.npz"

    assert 2 == main(["data", str(make(tmp_path)), "--out", str(out)])

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("calexnet data: error: ")
    assert message in line
    assert not out.exists()
