"""A data set as a tree of images."""

# The expected value comes first in every comparison.
from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet.data import folder
from calexnet.data.split import divide, recorded_test_part
from calexnet.errors import InputError, RuntimeUnavailableError

Image = pytest.importorskip("PIL.Image")


def paint(path: Path, level: int, size: tuple[int, int] = (4, 3), mode: str = "RGB") -> None:
    """Write an image of `size` ``(width, height)``, grey at `level`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, level).convert(mode).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes, three images; and files that are none."""
    root = tmp_path / "pets"
    paint(root / "dog" / "rex.png", 10)
    paint(root / "cat" / "tom.bmp", 20)
    paint(root / "cat" / "litter" / "kit.PNG", 30)
    (root / "cat" / "notes.txt").write_text("not an image")
    (root / "readme.md").write_text("not an image")
    paint(root / ".thumbnails" / "tom.png", 40)
    paint(root / "stray.png", 50)
    return root


def test_each_sub_folder_is_a_class_and_each_image_below_it_a_sample(pets: Path) -> None:
    data = folder.load(pets)

    assert "pets" == data.name
    assert ("cat", "dog") == data.classes
    assert ("cat/litter/kit.PNG", "cat/tom.bmp", "dog/rex.png") == data.keys
    assert [0, 0, 1] == data.labels.tolist()
    assert (3, 3, 4, 3) == data.images.shape
    assert [30, 20, 10] == data.images.mean((1, 2, 3)).tolist()


def test_a_relative_root_keeps_its_own_name_and_the_same_keys(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(pets)

    data = folder.load(Path())

    assert (folder.load(pets).keys, "pets") == (data.keys, data.name)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1"])
def test_every_kind_of_pixel_becomes_red_green_and_blue(tmp_path: Path, mode: str) -> None:
    paint(tmp_path / "white.png", 255, mode=mode)

    image = folder.read_image(tmp_path / "white.png")

    assert np.array_equal(np.full((3, 4, 3), 255, np.uint8), image)


def test_an_image_is_resized_to_height_and_width(tmp_path: Path) -> None:
    paint(tmp_path / "grey.png", 100)

    image = folder.read_image(tmp_path / "grey.png", resize=(6, 5))

    assert np.array_equal(np.full((6, 5, 3), 100, np.uint8), image)


def test_an_image_of_another_size_is_named_with_the_one_it_differs_from(pets: Path) -> None:
    paint(pets / "dog" / "bello.png", 0, size=(5, 3))

    with pytest.raises(
        InputError,
        match=r"^.*dog/bello\.png is of another size: got 5x3; expected 4x3, like "
        r".*cat/litter/kit\.PNG\. Bring all images to one size first\.$",
    ):
        folder.load(pets)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite(path: Path) -> None:
    path.write_text("not an image")


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def cut_header(path: Path) -> None:
    path.write_bytes(b"P6 4")


def damage_chunk(path: Path) -> None:
    """Make the decoder meet a chunk without a name, which it reports as a SyntaxError."""
    whole = path.read_bytes()
    place = whole.index(b"IDAT") - 4
    path.write_bytes(whole[:place] + b"\0\0\0\0" + whole[place + 4 :])


def claim_size(path: Path) -> None:
    """Make the header claim so many pixels that the decoder fears a bomb."""
    Image.new("RGB", (4, 3)).save(path, format="BMP")
    whole = bytearray(path.read_bytes())
    whole[18:26] = (40_000).to_bytes(4, "little") * 2
    path.write_bytes(whole)


@pytest.mark.parametrize(
    "damage", [cut, empty, overwrite, make_folder, cut_header, damage_chunk, claim_size]
)
def test_a_damaged_image_is_refused_by_name(pets: Path, damage: Callable[[Path], None]) -> None:
    damage(pets / "dog" / "rex.png")

    with pytest.raises(
        InputError, match=r"^cannot read .*dog/rex\.png as an image: got .*; expected an image file"
    ):
        folder.load(pets)


def test_a_missing_image_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png as an image: got .*No such file"):
        folder.read_image(tmp_path / "none.png")


@pytest.mark.parametrize("classes", [0, 2])
def test_a_folder_without_images_says_what_belongs_there(tmp_path: Path, classes: int) -> None:
    for label in range(classes):
        (tmp_path / str(label)).mkdir()
    (tmp_path / "stray.png").touch()

    with pytest.raises(
        InputError,
        match=rf"^no images in .*: got {classes} sub-folders; expected one sub-folder a class, "
        r"with \.bmp, \.jpeg, \.jpg, \.png, \.ppm, \.webp files$",
    ):
        folder.load(tmp_path)


def test_without_pillow_the_message_says_how_to_get_it(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PIL", "PIL.Image"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^reading image files needs Pillow, which is not installed\. Run: pip install "
        r"'calexnet\[bench\]'; or give an \.npz file instead\.$",
    ):
        folder.load(pets)


def test_a_copy_of_the_test_files_alone_is_the_recorded_test_part(tmp_path: Path) -> None:
    host, board = tmp_path / "host", tmp_path / "board"
    for index in range(40):
        paint(host / ("cat", "dog")[index % 2] / f"{index}.png", index)
    data = folder.load(host)
    split = divide(data, seed=0)
    for index in split.indices["test"]:
        (board / data.keys[index]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(host / data.keys[index], board / data.keys[index])

    copied = folder.load(board)

    found: NDArray[np.intp] = recorded_test_part(copied, split.record)
    assert np.array_equal(data.images[split.indices["test"]], copied.images[found])


def test_a_file_name_that_is_no_utf8_is_read(pets: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    paint(pets / "cat" / name, 0)

    assert f"cat/{name}" in folder.load(pets).keys


def test_a_set_remembers_the_folder_that_it_was_read_from(pets: Path) -> None:
    assert pets == folder.load(pets).source


def test_folders_of_classes_in_folders_of_parts_are_official_parts(tmp_path: Path) -> None:
    paint(tmp_path / "test" / "dog" / "b.png", 1)
    paint(tmp_path / "train" / "dog" / "a.png", 2)
    paint(tmp_path / "train" / "cat" / "c.png", 3)

    data = folder.load(tmp_path)

    assert (("train", "test"), ("cat", "dog")) == (data.official, data.classes)
    assert ("train/cat/c.png", "train/dog/a.png", "test/dog/b.png") == data.keys
    assert [0, 1, 1] == data.labels.tolist()
    assert [3, 2, 1] == data.images.mean((1, 2, 3)).tolist()


def test_classes_that_are_called_like_parts_stay_classes(tmp_path: Path) -> None:
    for name in ("flat/train", "flat/test", "other/train/old", "other/ship/new"):
        paint(tmp_path / name / "a.png", 1)

    flat, other = folder.load(tmp_path / "flat"), folder.load(tmp_path / "other")

    assert (("test", "train"), ()) == (flat.classes, flat.official)
    assert (("ship", "train"), ()) == (other.classes, other.official)
