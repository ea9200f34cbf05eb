"""Images that belong together: their groups, and that they stay in one part."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.groups import group_names
from calexnet.data.split import divide, recorded_test_part
from calexnet.errors import InputError

KEYS = tuple(
    f"{name}/clip{clip}/{frame}.png"
    for name in ("cat", "dog")
    for clip in range(20)
    for frame in range(5)
)
CLIPS = Dataset(
    name="clips",
    images=np.zeros((200, 2, 2, 3), np.uint8),
    labels=np.repeat(np.arange(2), 100),
    classes=("cat", "dog"),
    keys=KEYS,
)


def test_folders_below_a_class_are_groups_across_classes_and_parts() -> None:
    parted = replace(CLIPS, keys=tuple(f"train/{key}" for key in KEYS), official=("train",))
    expected = [key.split("/")[1] for key in KEYS]
    assert list(group_names(CLIPS, "folder")) == expected == list(group_names(parted, "folder"))


def test_every_group_lies_in_one_part_and_is_found_again(tmp_path: Path) -> None:
    split = divide(CLIPS, 0, group="folder")
    names = group_names(CLIPS, "folder")
    parts = [{names[row] for row in rows} for rows in split.indices.values()]
    assert sum(map(len, parts)) == len(set(names)) == 20
    assert split.record.group == "folder"
    assert recorded_test_part(CLIPS, split.record).tolist() == split.indices["test"].tolist()
    npz.save(CLIPS.take(split.indices["test"]), tmp_path / "test.npz")
    alone = npz.load(tmp_path / "test.npz")
    assert len(recorded_test_part(alone, split.record)) == len(split.indices["test"])


def test_a_column_of_an_npz_groups_too(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "set.npz",
        images=CLIPS.images,
        labels=CLIPS.labels,
        patient=np.arange(200) // 5,
        note=np.zeros((200, 2)),
    )
    found = npz.load(tmp_path / "set.npz")
    assert list(found.columns) == ["patient"]
    assert group_names(found, "patient")[:6] == ("0",) * 5 + ("1",)
    taken = found.take(np.array([5, 0]))
    npz.save(taken, tmp_path / "taken.npz")
    assert npz.load(tmp_path / "taken.npz").columns == {"patient": ("1", "0")}


def test_parts_that_share_a_group_are_refused() -> None:
    rule = "train=all[:102] calibration=all[102:150] test=all[150:]"
    with pytest.raises(InputError, match=r"share groups: got \d+ in both, the first is clip0; "):
        divide(CLIPS, 0, rule, "folder")


def test_groups_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError, match="has no such groups: got 'patient'; expected folder"):
        group_names(CLIPS, "patient")
    flat = replace(CLIPS, keys=tuple(f"cat/{row}.png" for row in range(200)))
    with pytest.raises(InputError, match=r"images in no group: got cat/0\.png; expected a folder"):
        group_names(flat, "folder")
