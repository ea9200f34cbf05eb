"""The division into parts follows from each sample's key alone."""

# The expected value comes first in every comparison.
from __future__ import annotations

import dataclasses
import hashlib
import json
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet import schema
from calexnet.data.dataset import Dataset
from calexnet.data.split import (
    FRACTIONS,
    PARTS,
    PartRecord,
    Split,
    SplitRecord,
    divide,
    recorded_test_part,
)
from calexnet.errors import InputError

CLASSES = ("cat", "dog")


def keyed(keys: list[str], name: str = "pets") -> Dataset:
    """Return a data set of these keys; a sample's label follows from its key."""
    labels = [len(key) % 2 for key in keys]
    images = np.zeros((len(keys), 1, 1, 3), np.uint8)
    return Dataset(name, images, np.array(labels, dtype=np.int64), CLASSES, tuple(keys))


def some(data: Dataset, indices: NDArray[np.intp] | list[int]) -> Dataset:
    """Return some samples of `data`, in the order given."""
    return Dataset(
        data.name,
        data.images[indices],
        data.labels[indices],
        data.classes,
        tuple(data.keys[i] for i in indices),
    )


def keys_of(data: Dataset, split: Split) -> dict[str, set[str]]:
    return {part: {data.keys[i] for i in split.indices[part]} for part in PARTS}


WHOLE = keyed([f"{'x' * (i % 2)}{i}" for i in range(60)])
KEYS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=6), unique=True)
SEEDS = st.integers(0, 2**32)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    # The sixty keys keep every part from being empty.
    extra = [f"extra/{key}" for key in draw(KEYS)]
    return keyed([*WHOLE.keys, *extra])


@given(datasets())
def test_parts_are_disjoint_and_hold_every_sample(data: Dataset) -> None:
    split = divide(data, seed=0)

    together = np.concatenate([split.indices[part] for part in PARTS])
    assert list(range(len(data))) == sorted(together.tolist())


@given(datasets(), st.randoms(use_true_random=False))
def test_the_order_of_the_samples_changes_neither_parts_nor_record(
    data: Dataset, random: Random
) -> None:
    shuffled = some(data, random.sample(range(len(data)), len(data)))

    split, again = divide(data, seed=3), divide(shuffled, seed=3)

    assert keys_of(data, split) == keys_of(shuffled, again)
    assert split.record == again.record


@given(st.data())
def test_a_sample_keeps_its_part_when_others_are_removed(data: st.DataObject) -> None:
    removed = data.draw(st.sets(st.integers(0, len(WHOLE) - 1), max_size=8))
    rest = some(WHOLE, [i for i in range(len(WHOLE)) if i not in removed])

    before, after = keys_of(WHOLE, divide(WHOLE, seed=0)), keys_of(rest, divide(rest, seed=0))

    assert {part: keys & set(rest.keys) for part, keys in before.items()} == after


def test_the_part_of_a_key_is_the_one_that_its_hash_falls_in() -> None:
    split = divide(WHOLE, seed=7)

    limits = np.cumsum([FRACTIONS[part] for part in PARTS])
    for part in PARTS:
        for index in split.indices[part]:
            digest = hashlib.sha256(f"7:{WHOLE.keys[index]}".encode()).digest()
            drawn = int.from_bytes(digest[:8], "big") / 2**64
            assert part == PARTS[int(np.sum(drawn >= limits[:2]))]


def test_another_seed_divides_otherwise() -> None:
    assert keys_of(WHOLE, divide(WHOLE, 0)) != keys_of(WHOLE, divide(WHOLE, 1))


@pytest.mark.parametrize(
    "fractions", [None, {"train": 0.2, "calibration": 0.5, "test": 0.3}], ids=["default", "own"]
)
def test_parts_have_about_the_shares_asked_for(fractions: dict[str, float] | None) -> None:
    data = keyed([str(i) for i in range(4000)])

    split = divide(data, seed=0, fractions=fractions)

    shares = fractions or FRACTIONS
    assert shares == split.record.fractions
    for part, share in shares.items():
        assert len(split.indices[part]) / len(data) == pytest.approx(share, abs=0.04)


def test_the_record_counts_and_hashes_keys_with_labels_in_key_order() -> None:
    split = divide(WHOLE, seed=0)

    assert ("pets", 0) == (split.record.data, split.record.seed)
    for part in PARTS:
        samples = sorted((WHOLE.keys[i], int(WHOLE.labels[i])) for i in split.indices[part])
        text = "".join(f"{key}\0{label}\n" for key, label in samples)
        expected = PartRecord(len(samples), hashlib.sha256(text.encode()).hexdigest())
        assert expected == split.record.parts[part]


@pytest.mark.parametrize("empty", PARTS)
def test_an_empty_part_is_refused_by_name(empty: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"^the {empty} part of pets is empty: got 60 images in all; "
        r"expected at least a few dozen\. Give more images\.$",
    ):
        divide(WHOLE, 0, {part: 0.0 if part == empty else 0.5 for part in PARTS})


def test_the_recorded_test_part_is_found_again_from_the_json_of_its_record() -> None:
    split = divide(WHOLE, 5, {"train": 0.25, "calibration": 0.25, "test": 0.5})
    record = schema.decode(SplitRecord, json.loads(json.dumps(schema.encode(split.record))))

    assert split.indices["test"].tolist() == recorded_test_part(WHOLE, record).tolist()


def test_a_board_that_has_the_test_files_alone_finds_all_of_them() -> None:
    split = divide(WHOLE, seed=0)
    board = some(WHOLE, split.indices["test"][::-1])

    assert list(range(len(board))) == recorded_test_part(board, split.record).tolist()


def relabelled() -> Dataset:
    return dataclasses.replace(WHOLE, labels=1 - WHOLE.labels)


@pytest.mark.parametrize(
    "other",
    [
        keyed([f"other{i}" for i in range(60)]),
        some(WHOLE, divide(WHOLE, seed=0).indices["test"][1:]),
        some(WHOLE, divide(WHOLE, seed=0).indices["train"]),
        relabelled(),
    ],
    ids=["other files", "a test file missing", "no test file", "other labels"],
)
def test_another_set_has_no_recorded_test_part(other: Dataset) -> None:
    split = divide(WHOLE, seed=0)
    wanted = split.record.parts["test"]

    with pytest.raises(
        InputError,
        match=r"^pets is not the data set that this cascade's split was recorded on: got a test "
        r"part of \d+ images with hash [0-9a-f]{12}; "
        rf"expected {wanted.samples} images of pets with hash {wanted.sha256[:12]}\. "
        r"Give the set it was trained from, or --all-samples if none of these images was used ",
    ):
        recorded_test_part(other, split.record)


def test_a_file_name_that_is_no_utf8_has_a_part_like_any_other() -> None:
    """Linux file names are bytes; Python shows bytes that are no UTF-8 as lone surrogates."""
    data = keyed([*WHOLE.keys, b"cat/caf\xe9.png".decode(errors="surrogateescape")])

    split = divide(data, seed=0)

    assert split.indices["test"].tolist() == recorded_test_part(data, split.record).tolist()
