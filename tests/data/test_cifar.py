"""CIFAR from its archives, the folders unpacked from them, and packed files; every damage told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import data
from calexnet.data import archive, cifar10, cifar100
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.images.resizing import Resize
from tests.support import image_sets
from tests.support.image_sets import COARSE, FINE, TEN, TEST, TRAIN, images, labels


def assert_is(found: Dataset, name: str, classes: tuple[str, ...], divisor: int = 1) -> None:
    """Hold a set against `tests.support.image_sets`; `divisor` fine classes make a class."""
    kinds = len(classes) * divisor
    assert np.array_equal(np.concatenate([images("train"), images("test")]), found.images)
    truth = np.concatenate([labels("train", kinds), labels("test", kinds)]) // divisor
    assert np.array_equal(truth, found.labels)
    assert (name, classes, ("train", "test")) == (found.name, found.classes, found.official)
    assert ("train/00000", "train/00019", "test/00000") == tuple(
        found.keys[row] for row in (0, TRAIN - 1, TRAIN)
    )
    assert TRAIN + TEST == len(found)
    assert found.images.flags.c_contiguous


def test_cifar10_is_read_from_its_archive_with_progress(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = image_sets.write_cifar10_archive(tmp_path)

    assert_is(data.load("cifar10", tmp_path), "cifar10", TEN)
    assert [f"reading {path}, MB  0/0  0 s"] == capsys.readouterr().err.splitlines()


def test_an_archive_whose_names_begin_with_a_dot_is_the_same(tmp_path: Path) -> None:
    begin = f"./{cifar10.LAYOUT.folder}/"
    files = {begin + name: content for name, content in image_sets.cifar10_files().items()}
    image_sets.write_archive(tmp_path / cifar10.ARCHIVE.file, files)

    assert_is(data.load("cifar10", tmp_path), "cifar10", TEN)


def test_a_file_in_an_archive_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_sets.write_cifar10_archive(tmp_path)
    monkeypatch.setattr(archive, "_LARGEST", 10_000)

    with pytest.raises(
        InputError, match=r"got cifar-10-batches-bin/\S+ of 1\d\d\d\d bytes; expected a"
    ):
        data.load("cifar10", tmp_path)


def test_a_named_set_is_brought_to_size(tmp_path: Path) -> None:
    image_sets.write_cifar10_archive(tmp_path)
    way = Resize(5, 5, shorter=7)

    found = data.load("cifar10", tmp_path, resize=way)

    assert np.array_equal([way(image) for image in images("train")], found.images[:TRAIN])
    assert way == found.resize


def test_cifar10_is_read_from_the_folder_that_its_archive_unpacks_to(tmp_path: Path) -> None:
    image_sets.write_folder(tmp_path, cifar10.LAYOUT, image_sets.cifar10_files())

    assert_is(data.load("cifar10", tmp_path), "cifar10", TEN)


@pytest.mark.parametrize(
    ("name", "classes", "divisor"), [("cifar100", FINE, 1), ("cifar100-coarse", COARSE, 2)]
)
def test_cifar100_has_fine_and_coarse_labels_in_every_form(
    tmp_path: Path, name: str, classes: tuple[str, ...], divisor: int
) -> None:
    np.savez(tmp_path / "cifar100.npz", **image_sets.cifar100_arrays())
    assert_is(data.load(name, tmp_path), f"{name} (cifar100.npz)", classes, divisor)

    image_sets.write_cifar100_archive(tmp_path)
    assert_is(data.load(name, tmp_path), name, classes, divisor)

    image_sets.write_folder(tmp_path, cifar100.FINE, image_sets.cifar100_files())
    (tmp_path / cifar100.ARCHIVE.file).write_bytes(b"not looked at")
    assert_is(data.load(name, tmp_path), name, classes, divisor)


def test_a_packed_cifar10_of_any_length_is_read(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {"names": np.array(TEN)}
    for part in ("train", "test"):
        arrays[f"d_{part}"] = image_sets.packed(part)
        arrays[f"y_{part}"] = labels(part, 10).astype(np.uint8)
    np.savez(tmp_path / "cifar10_20k.npz", **arrays)

    assert_is(data.load("cifar10", tmp_path), "cifar10 (cifar10_20k.npz)", TEN)


def test_the_root_is_the_environments_unless_one_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image_sets.write_cifar10_archive(tmp_path)
    monkeypatch.setenv("CALEXNET_DATA", str(tmp_path))

    assert "cifar10" == data.load("cifar10").name
    with pytest.raises(InputError, match=r"^cifar10 is not in .*other: got no such folder; "):
        data.load("cifar10", tmp_path / "other")


def test_without_a_root_it_says_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CALEXNET_DATA", raising=False)

    with pytest.raises(
        InputError,
        match=r"^cifar100 is looked for in a folder, and none is named: expected --data-root DIR, "
        r"or the environment variable CALEXNET_DATA$",
    ):
        data.load("cifar100")


def test_a_root_without_the_set_says_what_it_looked_for_and_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        InputError,
        match=rf"^cifar100-coarse is not in {tmp_path}: expected cifar-100-binary, "
        r"cifar-100-binary\.tar\.gz or cifar100\.npz\. Add --download, or fetch "
        r"https://www\.cs\.toronto\.edu/~kriz/cifar-100-binary\.tar\.gz\.$",
    ):
        data.load("cifar100-coarse", tmp_path)


def test_an_archive_cut_anywhere_is_refused_by_name(tmp_path: Path) -> None:
    path = image_sets.write_cifar10_archive(tmp_path)
    whole = path.read_bytes()

    for length in (*range(0, len(whole), len(whole) // 60), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cifar-10-binary\.tar\.gz"):
            data.load("cifar10", tmp_path)


def test_a_changed_byte_of_an_archive_is_refused_or_changes_nothing(tmp_path: Path) -> None:
    path = image_sets.write_cifar10_archive(tmp_path)
    whole = path.read_bytes()

    for place in range(0, len(whole), len(whole) // 150):
        changed = whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :]
        path.write_bytes(changed)
        try:
            found = data.load("cifar10", tmp_path)
        except InputError as error:
            assert "cifar-10-binary.tar.gz" in str(error)  # noqa: PT017
        else:
            assert_is(found, "cifar10", TEN)


@pytest.mark.parametrize(
    ("name", "file", "content", "message"),
    [
        ("cifar10", "data_batch_3.bin", None, r"cifar-10-batches-bin is not whole: got no data_b"),
        ("cifar10", "batches.meta.txt", None, r"is not whole: got no batches\.meta\.txt\. Fetch"),
        (
            "cifar10",
            "test_batch.bin",
            b"\0" * 6000,
            r"test_batch\.bin is cut, or its images are of another size: got 6000 bytes; expected "
            r"a multiple of 3073, 1 for the label and 3072 for 32x32 pixels\. Fetch it again\.$",
        ),
        ("cifar10", "test_batch.bin", b"", r"test_batch\.bin is cut, .* got 0 bytes"),
        (
            "cifar10",
            "data_batch_2.bin",
            b"\x0a" + b"\0" * 3072,
            r"a label in .*data_batch_2\.bin is out of range: got 10; expected 0 to 9, the classes",
        ),
        ("cifar100", "train.bin", b"\0\x06" + b"\0" * 3072, r"train\.bin is out of range: got 6"),
        (
            "cifar100-coarse",
            "test.bin",
            b"\x03\0" + b"\0" * 3072,
            r"a label in .*test\.bin is out of range: got 3; expected 0 to 2, the classes in co",
        ),
    ],
    ids=[
        "missing batch",
        "missing names",
        "cut",
        "empty",
        "label",
        "fine label",
        "coarse label",
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, name: str, file: str, content: bytes | None, message: str
) -> None:
    ten = name == "cifar10"
    layout = cifar10.LAYOUT if ten else cifar100.FINE
    files = image_sets.cifar10_files() if ten else image_sets.cifar100_files()
    files = {**files, file: content or b""}
    if content is None:
        del files[file]
    image_sets.write_folder(tmp_path, layout, files)

    with pytest.raises(InputError, match=message):
        data.load(name, tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"y_fine_test": None},
            r"cifar100\.npz has no array 'y_fine_test': got coarse_names, d_te",
        ),
        (
            {"d_train": np.zeros((TRAIN, 3, 28, 28), np.uint8)},
            r"^the array d_train of .*cifar100\.npz cannot be used: got uint8 \(20, 3, 28, 28\); "
            r"expected uint8 \(20, 3, 32, 32\)$",
        ),
        ({"d_test": np.zeros((TEST, 3, 32, 32))}, r"d_test of .* cannot be used: got float64"),
        ({"y_fine_test": np.zeros(5, np.uint8)}, r"d_test of .* got uint8 \(6, 3, 32, 32\); exp"),
        ({"y_fine_test": np.zeros((6, 1), np.uint8)}, r"y_fine_test of .*100\.npz cannot be used"),
        (
            {"y_fine_test": np.full(6, 6, np.uint8)},
            r"^the array y_fine_test of .*/cifar100\.npz has a label out of range: got 6; "
            r"expected 0 to 5, the classes in fine_names$",
        ),
        (
            {"fine_names": np.array([{}], object)},
            r"^cannot read the array fine_names of .*cifar100\.npz: got Python objects",
        ),
        ({"y_fine_test": np.uint8(3)}, r"d_test of .*100\.npz cannot be used: got uint8 \(6,"),
        ({"fine_names": np.array("cat")}, r"fine_names of .*100\.npz cannot be used: got <U3 \(\)"),
    ],
    ids=[
        "missing",
        "size",
        "floats",
        "few labels",
        "label column",
        "label",
        "pickle",
        "one label",
        "one name",
    ],
)
def test_a_packed_file_that_cannot_be_used_is_named(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    arrays = {**image_sets.cifar100_arrays(), **changes}
    kept = {name: array for name, array in arrays.items() if array is not None}
    np.savez(tmp_path / "cifar100.npz", **kept)

    with pytest.raises(InputError, match=message):
        data.load("cifar100", tmp_path)


def real(file: str) -> Path:
    """Return the folder of the real data sets, or skip."""
    folder = os.environ.get("CALEXNET_DATA")
    if folder is None or not Path(folder, file).is_file():
        pytest.skip(f"CALEXNET_DATA names no folder with {file}")
    return Path(folder)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(("name", "classes"), [("cifar100", 100), ("cifar100-coarse", 20)])
def test_the_real_cifar100_has_its_known_counts_and_mean(name: str, classes: int) -> None:
    found = data.load(name, real("cifar100.npz"))

    assert ((60_000, 32, 32, 3), classes) == (found.images.shape, len(found.classes))
    for rows, each in (
        (slice(50_000), 50_000 // classes),
        (slice(50_000, None), 10_000 // classes),
    ):
        assert {each} == set(np.bincount(found.labels[rows]).tolist())
    mean = found.images[:50_000].reshape(-1, 3).mean(0) / 255
    np.testing.assert_allclose(mean, (0.50708, 0.48655, 0.44092), atol=6e-6)
    split = divide(found, 0, "train=train[:45000] calibration=train[45000:] test=test")
    assert [45_000, 5_000, 10_000] == [len(rows) for rows in split.indices.values()]
