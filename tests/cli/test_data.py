"""``calexnet data``: any data set as one file."""

# The expected value comes first in every comparison.
from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from calexnet import data
from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from tests.onnx_bundle import random_images, sample_data


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


@pytest.mark.parametrize("name", ["set", "set.zip", "set.npy"])
def test_another_kind_of_file_is_refused(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    out = tmp_path / name

    assert 2 == main(["data", str(tree), "--out", str(out)])

    expected = f"calexnet data: error: cannot write a data set: got {out}; expected a name.npz\n"
    assert expected == capsys.readouterr().err
    assert not out.exists()
