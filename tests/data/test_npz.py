"""A data set as one .npz file: a round trip, and every damage told."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import data
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError, StorageError
from calexnet.images.resizing import Resize

PETS = Dataset(
    name="pets",
    images=np.random.default_rng(0).integers(0, 256, (6, 4, 4, 3), dtype=np.uint8),
    labels=np.array([0, 1, 1, 0, 1, 0]),
    classes=("cat", "dög"),
    keys=("a", "b", "c/1.png", "d", "e", "f"),
)
ARRAYS: dict[str, Any] = {"images": PETS.images, "labels": PETS.labels}


def is_same(one: Dataset, other: Dataset) -> bool:
    return (
        np.array_equal(one.images, other.images)
        and np.array_equal(one.labels, other.labels)
        and (one.name, one.classes, one.keys) == (other.name, other.classes, other.keys)
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pets.npz"


def test_what_is_saved_is_loaded_again_under_the_name_of_its_file(path: Path) -> None:
    npz.save(PETS, path)

    assert is_same(PETS, npz.load(path))
    assert ["pets.npz"] == [found.name for found in path.parent.iterdir()]


def test_official_parts_are_saved_and_loaded_again(path: Path) -> None:
    keys = tuple(f"{part}/{i}" for part in ("train", "test") for i in range(3))
    parted = dataclasses.replace(PETS, keys=keys, official=("train", "test"))

    npz.save(parted, path)

    assert is_same(parted, npz.load(path))
    assert ("train", "test") == npz.load(path).official


def test_how_images_came_to_size_and_what_was_left_out_is_saved(path: Path) -> None:
    way = Resize(4, 4, shorter=6)
    resized = dataclasses.replace(PETS, resize=way, skipped=("bad.png", "worse.png"))

    npz.save(resized, path)

    found = npz.load(path)
    assert (way, ("bad.png", "worse.png")) == (found.resize, found.skipped)
    assert (None, ()) == (PETS.resize, PETS.skipped)
    np.savez(path, **ARRAYS, resize=np.array("big"))
    with pytest.raises(
        InputError, match=r"^the resize of .*pets\.npz cannot be used: cannot read t"
    ):
        npz.load(path)


def test_labels_with_holes_or_not_from_0_are_said(path: Path) -> None:
    np.savez(path, images=PETS.images, labels=np.array([1, 2, 5, 1, 2, 5]))

    assert ["pets: no image of 0, 3, 4 (labels are counted from 0, without holes)"] == (
        npz.load(path).sentences()
    )


def test_an_ending_in_capitals_is_the_same_ending(tmp_path: Path) -> None:
    npz.save(PETS, tmp_path / "PETS.NPZ")

    assert is_same(dataclasses.replace(PETS, name="PETS"), data.load(str(tmp_path / "PETS.NPZ")))


def test_classes_and_keys_may_be_left_out(path: Path) -> None:
    np.savez(path, images=PETS.images, labels=PETS.labels.astype(np.uint8))

    found = npz.load(path)

    assert np.int64 == found.labels.dtype
    assert ("0", "1") == found.classes
    assert ("0", "1", "2", "3", "4", "5") == found.keys


@pytest.mark.parametrize("missing", ["images", "labels"])
def test_a_missing_array_is_named_with_what_is_there(path: Path, missing: str) -> None:
    there = {name: array for name, array in ARRAYS.items() if name != missing}
    np.savez(path, **there, other=np.zeros(1))

    with pytest.raises(
        InputError,
        match=rf"pets\.npz has no array '{missing}': got {next(iter(there))}, other; "
        r"expected images \(uint8, n x height x width x channels\) and labels \(integers\)$",
    ):
        npz.load(path)


def test_an_archive_of_nothing_says_so(path: Path) -> None:
    np.savez(path)

    with pytest.raises(InputError, match=r"has no array 'images': got no arrays; expected "):
        npz.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": PETS.images / 255}, r"^the images of .*/pets\.npz cannot be used: got float64"),
        (
            {"labels": PETS.labels - 1},
            r"^the labels of .*/pets\.npz are out of range: got labels from -1 to 0",
        ),
        (
            {"classes": np.array(["cat"])},
            r"^the labels of .*/pets\.npz are out of range: got labels from 0 to 1; exp",
        ),
        (
            {"keys": np.array(["a"] * 6)},
            r"^the keys of .*/pets\.npz cannot be used: got a key twice",
        ),
        ({"images": PETS.images[:0], "labels": PETS.labels[:0]}, r"/pets\.npz is empty"),
        ({"labels": PETS.labels[:5]}, r"/pets\.npz is not whole: got 6 images, 5 labels, 5 keys"),
        (
            {"labels": np.eye(2, dtype=int)[PETS.labels]},
            r"^the labels of .*/pets\.npz cannot be used: got int64 \(\d, 2\); expected "
            r"integers \(n,\)\. Take argmax\(1\) of one-hot .*\(multi-label\)",
        ),
        ({"labels": np.int64(3)}, r"^the labels of .*/pets\.npz cannot be used: got int64 \(\)"),
        ({"labels": PETS.labels + 0.5}, r"^the labels of .*/pets\.npz cannot be used: got float"),
        ({"labels": np.array(["cat", "dog"] * 3)}, r"^the labels of .*/pets\.npz cannot be used"),
        (
            {"labels": PETS.labels + (1 << 43)},
            r"/pets\.npz are out of range: got labels up to 8796093022209; expected 0 to 99999\. "
            r"Number the classes from 0, or add an array classes with their names\.$",
        ),
        (
            {"labels": PETS.labels.astype(np.uint64) + (1 << 63), "classes": np.array(["cat"])},
            r"/pets\.npz are out of range: got labels up to 9223372036854775809$",
        ),
        (
            {"classes": np.array(["cat", "cat"])},
            r"^the classes of .*/pets\.npz cannot be used: got 'cat' twice; expected one name a c",
        ),
        (
            {"images": PETS.images[:, :0]},
            r"^the images of .*/pets\.npz cannot be used: got uint8 \(6",
        ),
        (
            {"images": PETS.images + 0j},
            r"^the images of .*/pets\.npz cannot be used: got complex128",
        ),
        ({"classes": np.array("cat")}, r"^the classes of .*/pets\.npz cannot be used: got <U3"),
        ({"official": np.array(["train"])}, r"^the keys of .*/pets\.npz do not fit its official"),
    ],
    ids=[
        "float images",
        "negative label",
        "label without class",
        "key twice",
        "empty",
        "few labels",
        "label column",
        "one label",
        "half labels",
        "named labels",
        "absurd labels",
        "labels beyond int64",
        "a class twice",
        "no pixels",
        "complex images",
        "one class",
        "keys of no part",
    ],
)
def test_arrays_that_cannot_be_used_are_refused(
    path: Path, changes: dict[str, Any], message: str
) -> None:
    np.savez(path, **{**ARRAYS, **changes})

    with pytest.raises(InputError, match=message):
        npz.load(path)


@pytest.mark.parametrize("name", ["images", "labels", "classes", "keys", "other"])
def test_pickled_objects_are_refused_in_any_array(path: Path, name: str) -> None:
    np.savez(path, **{**ARRAYS, name: np.array([{}], dtype=object)})

    with pytest.raises(
        InputError,
        match=rf"^cannot read the array {name} of .*pets\.npz: got Python objects",
    ):
        npz.load(path)


CANNOT_READ = (
    r"^cannot read .*pets\.npz: got .*; expected an \.npz with the arrays images, labels\. "
    r"Fetch or make it again\.$"
)


@pytest.mark.parametrize("content", [b"", b"text", b"\x80\x04]."], ids=["empty", "text", "pickle"])
def test_a_file_that_is_no_archive_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    with pytest.raises(InputError, match=CANNOT_READ):
        npz.load(path)


def test_a_single_array_under_the_name_of_an_archive_is_refused(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, PETS.images)

    with pytest.raises(InputError, match=CANNOT_READ):
        npz.load(path)


def test_a_cut_archive_is_refused_wherever_it_was_cut(path: Path) -> None:
    npz.save(PETS, path)
    whole = path.read_bytes()

    for length in range(0, len(whole), 25):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=CANNOT_READ):
            npz.load(path)


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_changed_byte_never_changes_an_image_and_is_explained(path: Path, flip: int) -> None:
    npz.save(PETS, path)
    whole = path.read_bytes()

    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ flip]) + whole[place + 1 :])
        try:
            found = npz.load(path)
        except InputError:
            continue
        # Only names outside the arrays are without a checksum: an optional array may be lost.
        assert np.array_equal(PETS.images, found.images)
        assert np.array_equal(PETS.labels, found.labels)


def test_saving_over_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"^cannot write the file: got .*, a folder"):
        npz.save(PETS, tmp_path)
