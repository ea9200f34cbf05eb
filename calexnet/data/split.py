"""Train, calibration and test: disjoint, decided by each sample's own key, and recorded.

A sample's part follows from its key and a seed alone, so a board that has only some of the files
puts each of them where the host did, and nobody calibrates or trains on what will be the test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError

PARTS = ("train", "calibration", "test")

#: Half to train on; the test part is the larger rest, since its size bounds every interval.
FRACTIONS = {"train": 0.5, "calibration": 0.2, "test": 0.3}


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
        fractions: Expected share of each part.
        parts: What each part turned out to be.
    """

    data: str
    seed: int
    fractions: dict[str, float]
    parts: dict[str, PartRecord]


@dataclass(frozen=True)
class Split:
    """The indices of each part, and their record."""

    indices: Mapping[str, NDArray[np.intp]]
    record: SplitRecord


def divide(data: Dataset, seed: int, fractions: Mapping[str, float] | None = None) -> Split:
    """Return the parts of `data`.

    Args:
        data: The whole data set.
        seed: Another seed gives another division.
        fractions: Share of each of `PARTS`, summing to 1.

    Raises:
        InputError: A part would be empty.
    """
    shares = dict(fractions or FRACTIONS)
    if set(shares) != set(PARTS) or abs(sum(shares.values()) - 1.0) > 1e-9:
        raise InputError(
            "the fractions cannot be used",
            got=shares,
            expected=f"a share for each of {', '.join(PARTS)}, summing to 1",
        )
    indices = _assign(data, seed, shares)
    for part, members in indices.items():
        if len(members) == 0:
            raise InputError(
                f"the {part} part of {data.name} is empty",
                got=f"{len(data.keys)} images in all",
                expected="at least a few dozen",
                fix="Give more images",
            )
    parts = {
        part: PartRecord(len(members), _digest(data, members)) for part, members in indices.items()
    }
    return Split(indices, SplitRecord(data.name, seed, shares, parts))


def recorded_test_part(data: Dataset, record: SplitRecord) -> NDArray[np.intp]:
    """Return the indices of the test samples that `record` names.

    Raises:
        InputError: `data` is not the set that was recorded, so its test part is unknown.
    """
    members = _assign(data, record.seed, record.fractions)["test"]
    wanted, got = record.parts["test"], PartRecord(len(members), _digest(data, members))
    if got != wanted:
        raise InputError(
            f"{data.name} is not the data set that this cascade's split was recorded on",
            got=f"a test part of {got.samples} images with hash {got.sha256[:12]}",
            expected=f"{wanted.samples} images of {record.data} with hash {wanted.sha256[:12]}",
            fix="Give the set it was trained from, or --all-samples if none of these images was "
            "used in training or calibration",
        )
    return members


def _assign(data: Dataset, seed: int, shares: Mapping[str, float]) -> dict[str, NDArray[np.intp]]:
    drawn = np.array([_uniform(key, seed) for key in data.keys])
    limits = np.cumsum([shares[part] for part in PARTS])
    part_of = np.searchsorted(limits[:-1], drawn, side="right")
    return {part: np.flatnonzero(part_of == i) for i, part in enumerate(PARTS)}


def _uniform(key: str, seed: int) -> float:
    digest = hashlib.sha256(f"{seed}:{key}".encode(errors="surrogateescape")).digest()
    return int.from_bytes(digest[:8], "big") / 2.0**64


def _digest(data: Dataset, members: Sequence[int] | NDArray[np.intp]) -> str:
    digest = hashlib.sha256()
    for index in sorted(members, key=lambda i: data.keys[i]):
        digest.update(
            f"{data.keys[index]}\0{data.labels[index]}\n".encode(errors="surrogateescape")
        )
    return digest.hexdigest()
