"""The division into parts follows from each sample's key alone."""

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

from calexnet.data.dataset import Dataset
from calexnet.data.rule import DEFAULTS, PARTS
from calexnet.data.split import (
    PartRecord,
    Split,
    SplitRecord,
    divide,
    over_classes,
    recorded_test_part,
    thin,
)
from calexnet.errors import InputError
from calexnet.files import schema

CLASSES = ("cat", "dog")


def keyed(keys: list[str], name: str = "pets") -> Dataset:
    """Return a data set of these keys; a sample's label follows from its key."""
    labels = [len(key) % 2 for key in keys]
    images = np.zeros((len(keys), 1, 1, 3), np.uint8)
    return Dataset(name, images, np.array(labels, dtype=np.int64), CLASSES, tuple(keys))


def some(data: Dataset, indices: NDArray[np.intp] | list[int]) -> Dataset:
    """Return some samples of `data`, in the order given."""
    return data.take(np.array(indices, np.intp))


def keys_of(data: Dataset, split: Split) -> dict[str, set[str]]:
    return {part: {data.keys[i] for i in split.indices[part]} for part in PARTS}


WHOLE = keyed([f"{'x' * (i % 2)}{i}" for i in range(60)])
OFFICIAL = dataclasses.replace(
    keyed([*(f"train/{i}" for i in range(40)), *(f"test/{i}" for i in range(20))]),
    official=("train", "test"),
)
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

    limits = np.array([0.5, 0.7])
    for part in PARTS:
        for index in split.indices[part]:
            digest = hashlib.sha256(f"7:{WHOLE.keys[index]}".encode()).digest()
            drawn = int.from_bytes(digest[:8], "big") / 2**64
            assert part == PARTS[int(np.sum(drawn >= limits))]


def test_another_seed_divides_otherwise() -> None:
    assert keys_of(WHOLE, divide(WHOLE, 0)) != keys_of(WHOLE, divide(WHOLE, 1))


@pytest.mark.parametrize(
    ("rule", "shares"),
    [
        (None, (0.5, 0.2, 0.3)),
        ("test=all[0%:30%] train=all[80%:100%] calibration=all[30%:80%]", (0.2, 0.5, 0.3)),
        ("train=all[0%:12.5%] calibration=all[12.5%:25%] test=all[50%:60%]", (0.125, 0.125, 0.1)),
    ],
    ids=["default", "own", "not all"],
)
def test_parts_have_about_the_shares_asked_for(rule: str | None, shares: tuple[float, ...]) -> None:
    data = keyed([str(i) for i in range(4000)])

    split = divide(data, seed=0, rule=rule)

    for part, share in zip(PARTS, shares, strict=True):
        assert len(split.indices[part]) / len(data) == pytest.approx(share, abs=0.04)


def test_the_rule_is_recorded_with_its_parts_in_order() -> None:
    split = divide(WHOLE, 0, " test=all[:10]  calibration=all[10:20]\ttrain=all[20:]\n")

    assert "train=all[20:] calibration=all[10:20] test=all[:10]" == split.record.rule
    assert DEFAULTS[()] == divide(WHOLE, 0).record.rule


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
    ends = {part: "60:" if part == empty else f"{i}:{i + 1}" for i, part in enumerate(PARTS)}

    with pytest.raises(
        InputError,
        match=rf"^the {empty} part of pets is empty: got 60 images in all; "
        r"expected at least a few dozen\. Give more images, or another --split\.$",
    ):
        divide(WHOLE, 0, " ".join(f"{part}=all[{end}]" for part, end in ends.items()))


def test_parts_that_overlap_are_refused_with_a_sample_of_both() -> None:
    with pytest.raises(
        InputError,
        match=r"^the calibration and test parts of pets overlap: got 5 images in both, the first "
        rf"is {WHOLE.keys[15]}; expected disjoint parts\. Change --split\.$",
    ):
        divide(WHOLE, 0, "train=all[:10] calibration=all[10:20] test=all[15:]")


RANGES = st.one_of(
    st.just(""),
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda ends: "[{}:{}]".format(*ends)),
    st.tuples(st.integers(0, 99), st.integers(1, 100)).map(
        lambda ends: f"[{min(ends[0], ends[1] - 1)}%:{ends[1]}%]"
    ),
)


@given(st.tuples(*[st.tuples(st.sampled_from(["all", "train", "test"]), RANGES)] * 3), SEEDS)
def test_no_rule_ever_gives_parts_that_share_a_sample(
    chosen: tuple[tuple[str, str], ...], seed: int
) -> None:
    items = [f"{part}={source}{ends}" for part, (source, ends) in zip(PARTS, chosen, strict=True)]
    try:
        split = divide(OFFICIAL, seed, " ".join(items))
    except InputError:
        return
    together = np.concatenate([split.indices[part] for part in PARTS])
    assert len(together) == len(set(together.tolist()))
    assert all(len(rows) for rows in split.indices.values())


def test_official_parts_are_kept_apart_by_default() -> None:
    split = divide(OFFICIAL, seed=0)

    found = keys_of(OFFICIAL, split)
    assert {f"test/{i}" for i in range(20)} == found["test"]
    assert {f"train/{i}" for i in range(40)} == found["train"] | found["calibration"]


def test_positions_count_within_the_official_part_whatever_lies_between() -> None:
    mixed = some(OFFICIAL, [int(i) for i in np.random.default_rng(0).permutation(60)])

    split = divide(mixed, 0, "train=train[:30] calibration=train[30:] test=test[5:15]")

    order = {part: [k for k in mixed.keys if k.startswith(part)] for part in ("train", "test")}
    expected = {
        "train": order["train"][:30],
        "calibration": order["train"][30:],
        "test": order["test"][5:15],
    }
    assert expected == {part: [mixed.keys[i] for i in split.indices[part]] for part in PARTS}


def test_a_source_that_the_data_set_does_not_have_is_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"^pets has no such part to make calibration from: got 'valid'; expected all or "
        r"train or test$",
    ):
        divide(OFFICIAL, 0, "train=train calibration=valid test=test")


@pytest.mark.parametrize("rule", ["train=train calibration=test[0%:50%] test=test[50%:100%]", None])
def test_a_file_of_the_test_part_alone_is_recognised_by_its_hash(rule: str | None) -> None:
    for data in (WHOLE, OFFICIAL) if rule is None else (OFFICIAL,):
        split = divide(data, 0, rule)
        board = data.take(split.indices["test"])

        assert list(range(len(board))) == recorded_test_part(board, split.record).tolist()


def test_a_test_part_by_position_is_recognised_in_the_whole_set_and_alone() -> None:
    split = divide(OFFICIAL, 0, "train=train calibration=test[:8] test=test[8:]")
    alone = OFFICIAL.take(split.indices["test"])
    official_test = OFFICIAL.take(np.arange(40, 60))
    calibration = OFFICIAL.take(split.indices["calibration"])

    assert list(range(48, 60)) == recorded_test_part(OFFICIAL, split.record).tolist()
    assert list(range(8, 20)) == recorded_test_part(official_test, split.record).tolist()
    assert list(range(12)) == recorded_test_part(alone, split.record).tolist()
    for other in (calibration, alone.take(np.arange(11)), WHOLE):
        with pytest.raises(InputError, match=r"^pets is not the data set that this cascade's"):
            recorded_test_part(other, split.record)


@given(st.integers(1, 70), st.integers(1, 70), SEEDS)
def test_a_thinned_set_keeps_its_order_and_a_smaller_one_is_part_of_a_larger(
    one: int, other: int, seed: int
) -> None:
    rows = np.arange(3, 50)
    few, many = (thin(WHOLE, rows, limit, seed).tolist() for limit in sorted((one, other)))

    assert [min(47, limit) for limit in sorted((one, other))] == [len(few), len(many)]
    assert sorted(few) == few
    assert set(few) <= set(many) <= set(rows.tolist())


def test_the_recorded_test_part_is_found_again_from_the_json_of_its_record() -> None:
    split = divide(WHOLE, 5, "train=all[0%:25%] calibration=all[25%:50%] test=all[50%:100%]")
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


TWELVE = tuple(f"class {number}" for number in range(12))
LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=60)


@given(LABELS, st.integers(0, 70), SEEDS)
def test_samples_over_classes_are_as_even_as_the_classes_allow(
    labels: list[int], limit: int, seed: int
) -> None:
    data = dataclasses.replace(
        keyed([str(i) for i in range(len(labels))]),
        labels=np.sort(labels).astype(np.int64),
        classes=TWELVE,
    )
    rows = np.arange(len(labels), dtype=np.intp)

    found = over_classes(data, rows, limit, seed)

    assert min(limit, len(labels)) == len(found) == len(set(found.tolist()))
    counts, there = np.bincount(data.labels[found], minlength=5), np.bincount(labels, minlength=5)
    # No class has two more than one that had more to give.
    assert all(counts.max() - counts[c] <= 1 for c in range(5) if counts[c] < there[c])


def test_the_first_of_a_folder_of_twelve_classes_show_all_of_them() -> None:
    """As a folder of images is read: class after class."""
    data = dataclasses.replace(
        keyed([str(i) for i in range(1200)]), labels=np.repeat(np.arange(12), 100), classes=TWELVE
    )

    found = over_classes(data, np.arange(1200), 128, 0)

    assert {10, 11} == set(np.bincount(data.labels[found]).tolist())
    assert set(range(12)) == set(data.labels[found[:12]].tolist())
    assert not np.array_equal(found, over_classes(data, np.arange(1200), 128, 1))
    shuffled = np.random.default_rng(0).permutation(1200)
    assert np.array_equal(found, over_classes(data, shuffled, 128, 0))
