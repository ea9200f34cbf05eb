"""CINIC-10 from its tree of class folders, and from its archive."""

from __future__ import annotations

import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from calexnet import data
from calexnet.data import cinic10
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide, recorded_test_part
from calexnet.errors import InputError
from tests.support import image_sets
from tests.support.image_sets import TEN

FILES = image_sets.cinic10_files()


def assert_is_cinic10(found: Dataset) -> None:
    assert ("cinic10", TEN, ("train", "valid", "test")) == (
        found.name,
        found.classes,
        found.official,
    )
    order = [
        f"{part}/{name}/cifar10-{part}-{number}.png"
        for part in ("train", "valid", "test")
        for name in TEN
        for number in (0, 1)
    ]
    assert tuple(order) == found.keys
    assert [TEN.index(key.split("/")[1]) for key in order] == found.labels.tolist()
    for image, key in zip(found.images, order, strict=True):
        assert np.array_equal(np.asarray(PIL.Image.open(BytesIO(FILES[key]))), image)


@pytest.mark.parametrize("below", ["", "CINIC-10"])
def test_the_tree_is_read_whether_it_is_the_root_or_lies_in_it(tmp_path: Path, below: str) -> None:
    image_sets.write_tree(tmp_path / below, FILES)

    assert_is_cinic10(data.load("cinic10", tmp_path))


@pytest.mark.parametrize("begin", ["", "./", "CINIC-10/"])
def test_the_archive_gives_the_same_without_being_unpacked(tmp_path: Path, begin: str) -> None:
    files = {"README.md": b"CINIC-10", **{begin + name: png for name, png in FILES.items()}}
    image_sets.write_archive(tmp_path / "CINIC-10.tar.gz", files)

    assert_is_cinic10(data.load("cinic10", tmp_path))


def test_its_makers_parts_are_its_split(tmp_path: Path) -> None:
    found = data.load("cinic10", image_sets.write_tree(tmp_path, FILES))

    split = divide(found, seed=0)

    assert "train=train calibration=valid test=test" == split.record.rule
    assert [20, 20, 20] == [len(rows) for rows in split.indices.values()]


def test_a_board_with_the_test_folder_alone_has_the_recorded_test_part(tmp_path: Path) -> None:
    image_sets.write_tree(tmp_path, FILES)
    record = divide(data.load("cinic10", tmp_path), seed=0).record
    for part in ("train", "valid"):
        shutil.rmtree(tmp_path / part)

    board = data.load("cinic10", tmp_path)

    assert list(range(20)) == recorded_test_part(board, record).tolist()


SMALL = image_sets.png(np.zeros((8, 16, 3), np.uint8))
PATH = "valid/cat/cifar10-valid-0.png"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (SMALL, r"of (another|unlike) sizes?: got .*16x8.*; expected "),
        (b"no image", rf"^cannot read .*{PATH}.*no image.*; expected "),
        (FILES[PATH][:100], rf"^cannot read .*{PATH}.*truncated.*; expected "),
    ],
    ids=["size", "text", "cut"],
)
@pytest.mark.parametrize("archived", [False, True], ids=["tree", "archive"])
def test_an_image_that_cannot_be_used_is_named(
    tmp_path: Path, content: bytes, message: str, archived: bool
) -> None:
    files = {**FILES, PATH: content}
    if archived:
        image_sets.write_archive(tmp_path / cinic10.ARCHIVE.file, files)
    else:
        image_sets.write_tree(tmp_path, files)

    with pytest.raises(InputError, match=message):
        data.load("cinic10", tmp_path)


def test_a_tree_of_other_classes_or_of_another_size_is_refused(tmp_path: Path) -> None:
    image_sets.write_tree(tmp_path / "few", {PATH: FILES[PATH], "test/dog/1.png": FILES[PATH]})
    image_sets.write_tree(tmp_path / "small", dict.fromkeys(FILES, SMALL))

    with pytest.raises(
        InputError,
        match=r"few is not the tree of CINIC-10: got classes cat, dog; expected train, valid and t",
    ):
        data.load("cinic10", tmp_path / "few")
    with pytest.raises(
        InputError, match=r"^the images in .*small are of another size: got 16x8; expected 32x32$"
    ):
        data.load("cinic10", tmp_path / "small")


def test_a_cut_archive_is_refused_by_name(tmp_path: Path) -> None:
    path = image_sets.write_archive(tmp_path / cinic10.ARCHIVE.file, FILES)
    path.write_bytes(path.read_bytes()[:-5])

    with pytest.raises(InputError, match=r"^cannot read .*CINIC-10\.tar\.gz: got .*; expected a w"):
        data.load("cinic10", tmp_path)


def test_an_archive_without_images_is_refused(tmp_path: Path) -> None:
    image_sets.write_archive(tmp_path / cinic10.ARCHIVE.file, {"README.md": b"text"})

    with pytest.raises(InputError, match=r"CINIC-10\.tar\.gz is empty"):
        data.load("cinic10", tmp_path)
