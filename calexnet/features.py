"""Backbone answers and features, computed once a sample and memory-mapped. Needs torch.

The recipe trains on what this gives and never asks where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calexnet.backbones.frozen import FrozenBackbone
from calexnet.heads.base import Head
from calexnet.preprocessing import Preprocessing
from calexnet.progress import Progress

BATCH = 128


@dataclass(frozen=True)
class Features:
    """What branches train on: one part of a data set as the backbone sees it.

    Attributes:
        reduced: For each branch, float32 ``(n, ...)``: the features as its head reduces them, in a
            file on disk.
        logits: float32 ``(n, classes)``: the backbone's own.
        truth: int64 ``(n,)``.
    """

    reduced: tuple[NDArray[np.float32], ...]
    logits: NDArray[np.float32]
    truth: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.truth)


def compute(
    backbone: FrozenBackbone,
    heads: Sequence[Head],
    images: NDArray[np.uint8],
    truth: NDArray[np.int64],
    preprocessing: Preprocessing,
    folder: Path,
    label: str,
) -> Features:
    """Run the backbone once over `images` and return the features, kept in files in `folder`.

    Args:
        backbone: Gives features and logits.
        heads: One a branch; each says what of its features is worth keeping.
        images: uint8 ``(n, H, W, C)``.
        truth: int64 ``(n,)``.
        preprocessing: From bytes to the backbone's input.
        folder: Where the files go.
        label: Shown as progress, and part of the files' names.

    Raises:
        OSError: The disk is full; found before the pass, not in the middle of it.
    """
    count = len(images)
    logits = np.empty((count, heads[0].classes), dtype=np.float32)
    stores = [
        _allocate(folder / f"{label}-{k}.f32", (count, *_reduced_shape(head)))
        for k, head in enumerate(heads)
    ]
    with torch.inference_mode(), Progress(f"features of the {label} part", count) as progress:
        for start in range(0, count, BATCH):
            rows = slice(start, min(start + BATCH, count))
            *features, answer = backbone(torch.from_numpy(preprocessing.normalise(images[rows])))
            for store, head, feature in zip(stores, heads, features, strict=True):
                store[rows] = head.reduce(feature).numpy()
            logits[rows] = answer.numpy()
            progress.advance(rows.stop - rows.start)
    return Features(tuple(stores), logits, truth)


def batches(array: NDArray[np.float32], indices: NDArray[np.intp], size: int) -> Iterator[Tensor]:
    """Yield the rows of `array` at `indices` as tensors of at most `size` rows."""
    for start in range(0, len(indices), size):
        yield torch.from_numpy(np.ascontiguousarray(array[indices[start : start + size]]))


def _reduced_shape(head: Head) -> tuple[int, ...]:
    return tuple(head.reduce(torch.zeros(1, *head.feature_shape)).shape[1:])


def _allocate(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    size = int(np.prod(shape)) * 4
    with path.open("wb") as stream:
        # A hole in a mapped file kills the process when the disk is full; room taken now does not.
        os.posix_fallocate(stream.fileno(), 0, max(size, 1))
    return np.memmap(path, dtype=np.float32, mode="r+", shape=shape)
