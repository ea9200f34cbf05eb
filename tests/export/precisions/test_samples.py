"""Calibration samples: only those that neither trained nor will test, mixed, recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.split import SplitRecord, divide
from calexnet.errors import InputError
from calexnet.export.precisions.samples import RANGED, Calibration, load
from calexnet.images.preprocessing import Preprocessing

PREPROCESSING = Preprocessing(4, 4, (0.5,) * 3, (0.25,) * 3)


def squares(count: int = 200, **changes: Any) -> Dataset:
    images = np.arange(count, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 3), np.uint8)
    parts: dict[str, Any] = {
        "name": "squares",
        "images": images,
        "labels": np.arange(count) // 100,
        "classes": ("a", "b"),
        "keys": tuple(map(str, range(count))),
    }
    return Dataset(**(parts | changes))


def saved(folder: Path, data: Dataset) -> str:
    npz.save(data, folder / f"{data.name}.npz")
    return str(folder / f"{data.name}.npz")


def loaded(source: str | None, split: SplitRecord, ranged: int | None = None) -> Calibration:
    return load(source, split, PREPROCESSING, ("a", "b"), ranged)


def test_it_is_the_recorded_calibration_part_in_another_order(tmp_path: Path) -> None:
    data = squares()
    split = divide(data, seed=3)

    found = loaded(saved(tmp_path, data), split.record)

    part = split.indices["calibration"]
    seen = found.images[:, 0, 0, 0]
    assert sorted(part.tolist()) == sorted(seen.tolist())
    assert sorted(part.tolist()) != seen.tolist()
    assert np.array_equal(data.labels[seen], found.labels)
    record = found.record
    assert ("squares", len(part), len(part)) == (record.data, record.samples, record.ranged)
    assert split.record.parts["calibration"].sha256 == record.sha256


def test_both_classes_are_among_the_first_few(tmp_path: Path) -> None:
    data = squares()

    found = loaded(saved(tmp_path, data), divide(data, seed=0).record, 8)

    assert 8 == found.record.ranged
    assert {0, 1} == set(found.labels[:8].tolist())


def test_a_large_part_gives_ranges_by_some_and_thresholds_by_all(tmp_path: Path) -> None:
    data = squares(2000, labels=np.zeros(2000, np.int64))

    record = loaded(saved(tmp_path, data), divide(data, seed=0).record).record

    assert RANGED == record.ranged < record.samples


def test_a_named_set_is_found_by_its_name(digits_record: SplitRecord) -> None:
    from calexnet.data import digits

    data = digits.load()

    found = load(None, digits_record, Preprocessing(32, 32, (0.5,) * 3, (0.5,) * 3), data.classes)

    assert "digits" == found.record.data


@pytest.fixture
def digits_record() -> SplitRecord:
    from calexnet.data import digits

    return divide(digits.load(), seed=0).record


@pytest.mark.parametrize("ranged", [0, -1, 10_000])
def test_more_samples_than_there_are_is_refused(tmp_path: Path, ranged: int) -> None:
    data = squares()
    source = saved(tmp_path, data)

    with pytest.raises(
        InputError,
        match=rf"^squares cannot give that many calibration samples: got {ranged} asked for; "
        r"expected 1 to \d+, its calibration part\. Ask for fewer with "
        r"--calib-samples\.$",
    ):
        loaded(source, divide(data, seed=0).record, ranged)


def test_images_of_another_shape_are_refused(tmp_path: Path) -> None:
    data = squares(images=np.zeros((200, 5, 4, 3), np.uint8))

    with pytest.raises(
        InputError,
        match=r"^the images of squares do not fit this cascade: got \(5, 4, 3\); expected "
        r"\(4, 4, 3\), height x width x channels$",
    ):
        loaded(saved(tmp_path, data), divide(data, seed=0).record)


def test_other_classes_are_refused(tmp_path: Path) -> None:
    data = squares(classes=("a", "c"))

    message = r"^the classes of squares are not this cascade's: got a, c; expected a, b$"
    with pytest.raises(InputError, match=message):
        loaded(saved(tmp_path, data), divide(data, seed=0).record)


def test_a_set_without_a_name_of_its_own_must_be_given() -> None:
    split = divide(squares(), seed=0).record

    with pytest.raises(
        InputError,
        match=r"^a narrow precision needs real calibration samples: got no --calib-data, and the "
        r"name 'squares' alone does not say where they are; .*\. Add --calib-data with the set",
    ):
        loaded(None, split)


def test_a_file_of_the_calibration_part_alone_will_do(tmp_path: Path) -> None:
    data = squares()
    split = divide(data, seed=0)
    part = split.indices["calibration"]
    rest = data.take(part)

    found = loaded(saved(tmp_path, rest), split.record)

    assert len(part) == found.record.samples


def test_another_set_is_refused_since_some_of_it_may_be_for_the_test(tmp_path: Path) -> None:
    data = squares()
    few = data.take(np.arange(100))

    with pytest.raises(
        InputError,
        match=r"^squares is not the data set that this cascade's split was recorded on: got a "
        r"calibration part of \d+ images with hash \w+; expected \d+ images of squares with hash "
        r"\w+\. Give the set it was trained from\.$",
    ):
        loaded(saved(tmp_path, few), divide(data, seed=0).record)
