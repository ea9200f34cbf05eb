"""A data set as a tree of images."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet.data import dataset, folder
from calexnet.data.split import divide, recorded_test_part
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.images.resizing import Resize

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


def test_images_of_unlike_sizes_are_counted_and_the_way_out_is_said(pets: Path) -> None:
    paint(pets / "dog" / "bello.png", 0, size=(5, 3))
    paint(pets / "dog" / "sam.png", 0, size=(3, 5))

    with pytest.raises(
        InputError,
        match=r"^the images of .*pets are of unlike sizes: got 4x3 \(3 images, "
        r"cat/litter/kit\.PNG\), 5x3 \(1 image, dog/bello\.png\), 3x5 \(1 image, dog/sam\.png\); "
        r"expected one size\. Bring them to one with --resize N or --resize shorter:N,crop:M, "
        r"of calexnet train or calexnet data\.$",
    ):
        folder.load(pets)


@pytest.mark.parametrize("text", ["7", "6x9", "shorter:8,crop:5"])
def test_images_of_unlike_sizes_are_brought_to_one(tmp_path: Path, text: str) -> None:
    random, way = np.random.default_rng(0), Resize.parse(text)
    images = [random.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in ((9, 5), (6, 11))]
    (tmp_path / "noise").mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "noise" / f"{number}.png")

    data = folder.load(tmp_path, way)

    assert np.array_equal([way(image) for image in images], data.images)
    assert way == data.resize
    assert [f"{tmp_path.name}: images brought to {text}"] == data.sentences()


def test_all_damaged_images_are_named_at_once_or_left_out(pets: Path) -> None:
    for number in range(25):
        (pets / "dog" / f"bad{number:02}.png").write_bytes(b"no image")
    (pets / "cat" / "tom.bmp").write_bytes(b"")

    with pytest.raises(InputError) as problem:
        folder.load(pets)
    said = str(problem.value)
    assert said.startswith(
        f"cannot read 26 of 28 images in {pets}: got cat/tom.bmp (no image), dog/bad00.png (no i"
    )
    assert said.endswith(
        "dog/bad18.png (no image), ... (26); expected image files. Replace them, or leave them "
        "out with --skip-bad, of calexnet train or calexnet data."
    )

    data = folder.load(pets, skip_bad=True)

    assert ("cat/litter/kit.PNG", "dog/rex.png") == data.keys
    assert [30, 10] == data.images.mean((1, 2, 3)).tolist()
    assert 26 == len(data.skipped)
    assert "left out, for it cannot be read: cat/tom.bmp, dog/bad00.png, " in data.sentences()[1]


def test_a_folder_of_damage_alone_is_refused_all_the_same(pets: Path) -> None:
    for path in pets.rglob("*.*"):
        if path.is_file():
            path.write_bytes(b"")

    with pytest.raises(InputError, match=r"^cannot read 3 of 3 images in "):
        folder.load(pets, skip_bad=True)


def test_images_that_do_not_fit_into_memory_are_refused_before_all_are_read(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "available_bytes", lambda: 10_000)

    with pytest.raises(
        InputError,
        match=r"^the images of .*pets do not fit into memory: got 3 images of 100x50, 45 kB; "
        r"expected at most 10 kB, which is free\. Bring them to a smaller size with --resize, or ",
    ):
        folder.load(pets, Resize(50, 100))


def test_what_reading_came_upon_is_said(pets: Path) -> None:
    (pets / "cat" / "a.tif").write_bytes(b"")
    (pets / "cat" / "a.gif").write_bytes(b"")
    (pets / "fish").mkdir()
    (pets / "cat" / "there.png").symlink_to(pets / "dog" / "rex.png")
    Image.fromarray(np.full((3, 4), 300, np.uint16)).save(pets / "cat" / "deep.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (3, 4)).save(pets / "cat" / "phone.jpg", exif=exif)

    assert [
        "pets: left out, for it is no image: 1 .gif, 1 .tif, 1 .txt, 1 image in no class, 1 link",
        "pets: 1 image turned as EXIF says",
        "pets: 1 image of 16 bits brought to 8",
        "pets: no image of fish",
    ] == folder.load(pets).sentences()


@pytest.mark.parametrize("classes", [0, 2])
def test_a_folder_without_images_says_what_belongs_there(tmp_path: Path, classes: int) -> None:
    for label in range(classes):
        (tmp_path / str(label)).mkdir()
    (tmp_path / "stray.png").touch()

    with pytest.raises(
        InputError,
        match=rf"^no images in .*: got {classes} sub-folders; left out: 1 image in no class; "
        r"expected one sub-folder a class, with \.bmp, \.jpeg, \.jpg, \.png, \.ppm, \.webp files$",
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


def test_folders_of_parts_may_be_called_otherwise_and_keys_do_not_tell(tmp_path: Path) -> None:
    for part, level in (("Training", 1), ("dev", 2), ("TESTING", 3)):
        paint(tmp_path / part / "cat" / "a.png", level)

    data = folder.load(tmp_path)

    assert ("train", "valid", "test") == data.official
    assert ("train/cat/a.png", "valid/cat/a.png", "test/cat/a.png") == data.keys
    assert [1, 2, 3] == data.images.mean((1, 2, 3)).tolist()
    assert [
        f"{tmp_path.name}: Training is the train part, dev is the valid part, TESTING is the test "
        "part"
    ] == data.sentences()


def test_a_few_images_are_read_of_all_classes_in_turn_and_no_other(pets: Path) -> None:
    paint(pets / "dog" / "waldi.png", 60)
    (pets / "dog" / "zorro.png").write_bytes(b"damaged")

    few = folder.few(pets, None, 4)

    assert few is not None
    assert ("cat", "dog") == few.classes
    assert ("cat/litter/kit.PNG", "dog/rex.png", "cat/tom.bmp", "dog/waldi.png") == few.keys
    assert [30, 10, 20, 60] == few.images.mean((1, 2, 3)).tolist()
    assert [0, 1, 0, 1] == few.labels.tolist()


def test_a_few_images_that_cannot_be_used_are_left_to_be_told_with_all(pets: Path) -> None:
    paint(pets / "dog" / "rex.png", 10, size=(9, 9))
    assert folder.few(pets, None, 3) is None
    assert folder.few(pets, Resize.parse("4"), 3) is not None

    (pets / "dog" / "rex.png").write_bytes(b"damaged")
    assert folder.few(pets, None, 3) is None
