"""Train, calibration and test: disjoint, decided by a rule and each sample's own key, and recorded.

Nobody calibrates or trains on what will be the test: a board finds the test part again by its hash.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calexnet.data import rule as rules
from calexnet.data.dataset import Dataset
from calexnet.data.groups import group_names
from calexnet.data.rule import PARTS
from calexnet.errors import InputError
from calexnet.files.storage import sha256

#: Where a record has what was left out.
SKIPPED = "skipped"


@dataclass(frozen=True)
class PartRecord:
    """One part: how many samples it has, and the SHA-256 of their keys and labels."""

    samples: int
    sha256: str


@dataclass(frozen=True)
class SplitRecord:
    """How a data set was divided.

    Attributes:
        data: The data set's name.
        seed: Of the division.
        rule: In the grammar of `calexnet.data.rule`.
        parts: What each part turned out to be; beside them `SKIPPED`, if images were left out
            because they cannot be read: how many, and the SHA-256 of their keys.
        group: By what images belong together (`calexnet.data.groups`); ``None`` = each by itself.
    """

    data: str
    seed: int
    rule: str
    parts: dict[str, PartRecord]
    group: str | None = None

    @property
    def has_skipped(self) -> bool:
        """Whether images were left out."""
        return SKIPPED in self.parts


@dataclass(frozen=True)
class Split:
    """The indices of each part, and their record."""

    indices: Mapping[str, NDArray[np.intp]]
    record: SplitRecord


def divide(data: Dataset, seed: int, rule: str | None = None, group: str | None = None) -> Split:
    """Return the parts of `data`.

    Args:
        data: The whole data set.
        seed: Of the hash that shares (``%``) go by; positions do not depend on it.
        rule: In the grammar of `calexnet.data.rule`; by default what suits the official parts.
        group: By what images belong together (`calexnet.data.groups`): they stay in one part.

    Raises:
        InputError: The rule cannot be read or names a part that `data` does not have; or a part
            would be empty, or share a sample with another.
    """
    text = rules.default_rule(data) if rule is None else rule
    selections = rules.parse(text)
    sources = (rules.ALL, *data.official)
    for part, selection in selections.items():
        if selection.source not in sources:
            raise InputError(
                f"{data.name} has no such part to make {part} from",
                got=repr(selection.source),
                expected=" or ".join(sources),
            )
    groups = None if group is None else group_names(data, group)
    indices = {
        part: rules.members(data, chosen, seed, groups) for part, chosen in selections.items()
    }
    _refuse_empty(data, indices)
    _refuse_overlap(data, indices)
    if groups is not None:
        _refuse_torn(data, indices, groups)
    parts = {part: _record(data, rows) for part, rows in indices.items()}
    if data.skipped:
        parts[SKIPPED] = _skipped(data.skipped)
    return Split(indices, SplitRecord(data.name, seed, rules.canonical(text), parts, group))


def recorded_test_part(data: Dataset, record: SplitRecord) -> NDArray[np.intp]:
    """Return the indices of the test samples that `record` names.

    They are those that the rule finds in `data`, or all of `data` if that is the test part alone.

    Raises:
        InputError: Neither has the recorded hash, so the test part is unknown.
    """
    alternative = ", or --all-samples if none of these images was used in training or calibration"
    return _recorded_part(data, record, "test", alternative)


def recorded_calibration_part(data: Dataset, record: SplitRecord) -> NDArray[np.intp]:
    """Return the indices of the calibration samples that `record` names, found likewise.

    Raises:
        InputError: The calibration part is unknown: some of `data` may be for the test.
    """
    return _recorded_part(data, record, "calibration", "")


def _recorded_part(
    data: Dataset, record: SplitRecord, part: str, alternative: str
) -> NDArray[np.intp]:
    groups = None if record.group is None else group_names(data, record.group)
    by_rule = rules.members(data, rules.parse(record.rule)[part], record.seed, groups)
    wanted, got = record.parts[part], _record(data, by_rule)
    if got == wanted:
        return by_rule
    everything = np.arange(len(data))
    if _record(data, everything) == wanted:
        return everything
    raise InputError(
        f"{data.name} is not the data set that this cascade's split was recorded on",
        got=f"a {part} part of {got.samples} images with hash {got.sha256[:12]}",
        expected=f"{wanted.samples} images of {record.data} with hash {wanted.sha256[:12]}",
        fix=f"Give the set it was trained from{alternative}",
    )


def thin(data: Dataset, rows: NDArray[np.intp], limit: int, seed: int) -> NDArray[np.intp]:
    """Return at most `limit` of `rows` in their order, drawn by hash: a smaller set is a subset."""
    drawn = [rules.uniform(data.keys[row], f"thin {seed}") for row in rows]
    return np.sort(rows[np.argsort(drawn, kind="stable")[:limit]])


def over_classes(data: Dataset, rows: NDArray[np.intp], limit: int, seed: int) -> NDArray[np.intp]:
    """Return at most `limit` of `rows`, as evenly over the classes as they allow.

    Drawn by hash. A second sample of a class comes after the first one of every class, and so on;
    whatever order `rows` have, such as folder after folder, the start of the result is mixed.
    """
    hashes = [rules.uniform(data.keys[row], f"over classes {seed}") for row in rows]
    mixed = rows[np.argsort(hashes, kind="stable")]
    labels, turns = data.labels[mixed], np.zeros(len(mixed), np.intp)
    for label in np.unique(labels):
        turns[labels == label] = np.arange((labels == label).sum())
    return mixed[np.argsort(turns, kind="stable")[:limit]]


def _refuse_empty(data: Dataset, indices: Mapping[str, NDArray[np.intp]]) -> None:
    for part, rows in indices.items():
        if len(rows) == 0:
            raise InputError(
                f"the {part} part of {data.name} is empty",
                got=f"{len(data)} images in all",
                expected="at least a few dozen",
                fix="Give more images, or another --split",
            )


def _refuse_overlap(data: Dataset, indices: Mapping[str, NDArray[np.intp]]) -> None:
    for one, other in combinations(PARTS, 2):
        shared = np.intersect1d(indices[one], indices[other])
        if len(shared):
            raise InputError(
                f"the {one} and {other} parts of {data.name} overlap",
                got=f"{len(shared)} images in both, the first is {data.keys[shared[0]]}",
                expected="disjoint parts",
                fix="Change --split",
            )


def _refuse_torn(
    data: Dataset, indices: Mapping[str, NDArray[np.intp]], groups: Sequence[str]
) -> None:
    for one, other in combinations(PARTS, 2):
        shared = {groups[row] for row in indices[one]} & {groups[row] for row in indices[other]}
        if shared:
            raise InputError(
                f"the {one} and {other} parts of {data.name} share groups",
                got=f"{len(shared)} in both, the first is {min(shared)}",
                expected="every group in one part",
                fix="Divide by shares, such as --split 'train=all[0%:50%] "
                "calibration=all[50%:70%] test=all[70%:100%]'",
            )


def _record(data: Dataset, rows: NDArray[np.intp]) -> PartRecord:
    return PartRecord(len(rows), _digest(data, rows))


def _skipped(keys: Sequence[str]) -> PartRecord:
    text = "".join(f"{key}\n" for key in sorted(keys))
    return PartRecord(len(keys), sha256(text.encode(errors="surrogateescape")))


def _digest(data: Dataset, members: Sequence[int] | NDArray[np.intp]) -> str:
    digest = hashlib.sha256()
    for index in sorted(members, key=lambda i: data.keys[i]):
        digest.update(
            f"{data.keys[index]}\0{data.labels[index]}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()
