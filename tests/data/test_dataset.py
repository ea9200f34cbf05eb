"""A data set in memory, and finding one by name or path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import data
from calexnet.data import dataset, npz
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.images.resizing import Resize

IMAGES = np.zeros((2, 4, 4, 3), np.uint8)
LABELS = np.array([0, 1])


def pets(**changes: Any) -> Dataset:
    parts = {
        "name": "pets",
        "images": IMAGES,
        "labels": LABELS,
        "classes": ("cat", "dog"),
        "keys": ("a", "b"),
    }
    return Dataset(**{**parts, **changes})


def test_the_length_is_the_number_of_samples() -> None:
    assert 2 == len(pets())


def test_taken_samples_come_in_the_order_asked_for_with_all_that_belongs_to_them() -> None:
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    data = pets(images=images, keys=("train/a", "test/b"), official=("train", "test"))

    taken = data.take(np.array([1]))

    assert np.array_equal(images[1:], taken.images)
    assert ([1], ("test/b",)) == (taken.labels.tolist(), taken.keys)
    assert (data.name, data.classes, data.official) == (taken.name, taken.classes, taken.official)


def test_a_class_without_a_sample_is_allowed() -> None:
    assert 3 == len(pets(classes=("cat", "dog", "hen")).classes)


def test_absent_classes_are_those_that_no_taken_sample_has() -> None:
    data = pets(classes=("cat", "dog", "hen"))

    assert ("hen",) == data.absent(np.array([0, 1]))
    assert ("cat", "hen") == data.absent(np.array([1]))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": IMAGES.astype(np.float32)},
            r"^the images of pets cannot be used: got float32 \(2, 4, 4, 3\); expected uint8 "
            r"\(n, height, width, channels\)$",
        ),
        ({"images": IMAGES[..., 0]}, r"^the images of pets cannot be used: got uint8 \(2, 4, 4\)"),
        (
            {"images": IMAGES[:1]},
            r"^pets is not whole: got 1 images, 2 labels, 2 keys; expected as many of each$",
        ),
        ({"labels": LABELS[:1]}, r"^pets is not whole: got 2 images, 1 labels, 2 keys"),
        ({"keys": ("a", "b", "c")}, r"^pets is not whole: got 2 images, 2 labels, 3 keys"),
        (
            {"images": IMAGES[:0], "labels": LABELS[:0], "keys": ()},
            r"^pets is empty: expected labelled images$",
        ),
        (
            {"labels": np.array([0, 2])},
            r"^the labels of pets are out of range: got labels from 0 to 2; expected 0 to 1$",
        ),
        ({"labels": np.array([-1, 1])}, r"out of range: got labels from -1 to 1; expected 0 to 1$"),
        (
            {"keys": ("a", "a")},
            r"^the keys of pets cannot be used: got a key twice; expected unique keys$",
        ),
        ({"labels": LABELS[:, None]}, r"pets"),
        (
            {"keys": ("train/a", "test"), "official": ("train", "test")},
            r"^the keys of pets do not fit its official parts: got 'test'; expected one that "
            r"begins with train/ or test/$",
        ),
    ],
    ids=[
        "float images",
        "no channels",
        "few images",
        "few labels",
        "many keys",
        "empty",
        "high label",
        "negative label",
        "key twice",
        "label column",
        "stray key",
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        pets(**changes)


def test_a_set_that_was_read_from_somewhere_says_from_where() -> None:
    with pytest.raises(InputError, match=r"^the labels of some/pets\.npz are out of range: "):
        pets(source=Path("some/pets.npz"), labels=np.array([0, 7]))


def test_a_path_to_an_npz_file_loads_it(tmp_path: Path) -> None:
    npz.save(pets(), tmp_path / "pets.npz")

    assert ("cat", "dog") == data.load(str(tmp_path / "pets.npz")).classes


def test_a_path_to_a_folder_loads_its_images(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    (tmp_path / "cat").mkdir()
    image.fromarray(IMAGES[0]).save(tmp_path / "cat" / "tom.png")

    assert ("cat/tom.png",) == data.load(str(tmp_path)).keys


@pytest.mark.slow
def test_a_name_loads_that_set() -> None:
    pytest.importorskip("sklearn")

    assert "digits" == data.load("digits").name


@pytest.mark.parametrize("source", ["digit", "", "missing.npz", "text.txt", "n" * 300])
def test_an_unknown_source_is_refused_with_what_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    (tmp_path / "text.txt").touch()
    monkeypatch.chdir(tmp_path)

    shown = source if len(source) < 200 else r"n+\.\.\.n+"

    with pytest.raises(
        InputError,
        match=rf"^unknown data set: got '{shown}'; expected digits, cifar10, cifar100, "
        r"cifar100-coarse, cinic10, a folder with one sub-folder a class, or an \.npz file\. "
        r"Check the spelling and that the path exists\.$",
    ):
        data.load(source)


def test_another_size_is_taken_once_and_in_one_way() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 4, 4, 3), dtype=np.uint8)
    way = Resize(3, 2)

    found = pets(images=images).brought_to(way)

    assert np.array_equal([way(image) for image in images], found.images)
    assert found is found.brought_to(way) is found.brought_to(None)
    same = pets(images=images)
    assert same is same.brought_to(Resize(4, 4, shorter=6))  # of that size already
    with pytest.raises(
        InputError,
        match=r"^the images of pets were brought to size in another way: got 2x3; expected 4\.",
    ):
        found.brought_to(Resize(4, 4))


def test_a_set_that_would_not_fit_into_memory_is_not_resized(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dataset, "available_bytes", lambda: 1000)

    with pytest.raises(
        InputError, match=r"^the images of pets do not fit into memory: got 2 images"
    ):
        pets().brought_to(Resize(224, 224))


def test_masks_and_images_without_pixels_and_class_names_twice_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"^pets cannot be used: got a masked array\. Fill it first"
    ):
        pets(images=np.ma.masked_equal(IMAGES, 0))
    with pytest.raises(
        InputError, match=r"^the images of pets cannot be used: got uint8 \(2, 0, 0,"
    ):
        pets(images=IMAGES[:, :0, :0])
    with pytest.raises(
        InputError, match=r"^the classes of pets cannot be used: got 'cat' twice; ex"
    ):
        pets(classes=("cat", "dog", "cat"))
