"""Backbone answers and features, computed once a sample and memory-mapped. Needs torch.

Methods train on what this gives and never ask where it came from. Files are named by a hash of all
that they follow from: backbone, images, preprocessing, reduction. So a cache folder may serve any
number of trainings, and what belongs to another backbone or data set is never found.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calexnet import schema
from calexnet.backbones.frozen import FrozenBackbone
from calexnet.heads.base import Head
from calexnet.preprocessing import Preprocessing
from calexnet.progress import Progress
from calexnet.storage import staged_file

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
    """Return the features of `images`, from `folder` if they are there, else computed and kept.

    Args:
        backbone: Gives features and logits.
        heads: One a branch; each says what of its features is worth keeping.
        images: uint8 ``(n, H, W, C)``.
        truth: int64 ``(n,)``.
        preprocessing: From bytes to the backbone's input.
        folder: Where the files are, and go.
        label: Shown as progress, and part of the files' names.

    Raises:
        StorageError: The disk is full; found before the pass, not in the middle of it.
    """
    source = _source(backbone, images, preprocessing)
    logits = (len(images), heads[0].classes)
    wanted: dict[Path, tuple[int, ...]] = {folder / f"{label}-logits-{source}.npy": logits}
    paths = []
    for name, head in zip(backbone.attach, heads, strict=True):
        shape = tuple(head.reduce(torch.zeros(1, *head.feature_shape)).shape[1:])
        paths.append(folder / f"{label}-{name}-{_reduction(head, source)}.npy")
        wanted[paths[-1]] = (len(images), *shape)
    if not all(_is_whole(path, shape) for path, shape in wanted.items()):
        _fill(backbone, heads, images, preprocessing, wanted, label)
    answers, *found = (np.load(path, mmap_mode="r") for path in [next(iter(wanted)), *paths])
    return Features(tuple(found), np.array(answers), truth)


def tensor(array: NDArray[np.float32], rows: NDArray[np.intp]) -> Tensor:
    """Return some rows of a cached array as a tensor; only these are read from disk."""
    return torch.from_numpy(np.ascontiguousarray(array[rows]))


def _fill(
    backbone: FrozenBackbone,
    heads: Sequence[Head],
    images: NDArray[np.uint8],
    preprocessing: Preprocessing,
    wanted: dict[Path, tuple[int, ...]],
    label: str,
) -> None:
    """Run the backbone once over `images`; every file appears whole or not at all."""
    count = len(images)
    for path in wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stages:
        logits, *stores = (
            _allocate(stages.enter_context(staged_file(path)), shape)
            for path, shape in wanted.items()
        )
        with torch.inference_mode(), Progress(f"features of the {label} part", count) as progress:
            for start in range(0, count, BATCH):
                rows = slice(start, min(start + BATCH, count))
                inputs = torch.from_numpy(preprocessing.normalise(images[rows]))
                *features, answer = backbone(inputs)
                for store, head, feature in zip(stores, heads, features, strict=True):
                    store[rows] = head.reduce(feature).numpy()
                logits[rows] = answer.numpy()
                progress.advance(rows.stop - rows.start)


def _source(
    backbone: FrozenBackbone, images: NDArray[np.uint8], preprocessing: Preprocessing
) -> str:
    """Return a hash of what the features follow from, but for their reduction."""
    digest = hashlib.sha256(schema.canonical(schema.encode(preprocessing)))
    for name, weights in backbone.network.state_dict().items():
        digest.update(name.encode())
        digest.update(weights.contiguous().numpy().tobytes())
    digest.update(type(backbone.network).__qualname__.encode())
    digest.update(str(images.shape).encode())
    digest.update(np.ascontiguousarray(images).data)
    return digest.hexdigest()[:16]


def _reduction(head: Head, source: str) -> str:
    """Return `source` together with the code that reduces, the user's own included."""
    owner = next(cls for cls in type(head).__mro__ if "reduce" in vars(cls))
    code = f"{owner.__module__}.{owner.__qualname__}\n{inspect.getsource(vars(owner)['reduce'])}"
    return hashlib.sha256(f"{source}\n{code}".encode()).hexdigest()[:16]


def _is_whole(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        found = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # not there, or damaged
        return False
    return bool(found.shape == shape and found.dtype == np.float32)


def _allocate(path: Path, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return a new array in a file whose room is taken already."""
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    # A hole in a mapped file kills the process when the disk is full; room taken now does not.
    with path.open("rb+") as stream:
        os.posix_fallocate(stream.fileno(), 0, max(path.stat().st_size, 1))
    return array
