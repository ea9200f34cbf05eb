"""Backbone answers and features, computed once a sample and memory-mapped. Needs torch.

Methods train on what this gives and never ask where it came from. Files are named by a hash of all
that they follow from: backbone, images, preprocessing, reduction. So a cache folder may serve any
number of trainings, and what belongs to another backbone or data set is never found. What a hash
cannot see, the code that a network runs, is told by a few images that are computed afresh.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from calexnet.data.dataset import Dataset
from calexnet.errors import StorageError
from calexnet.files import schema
from calexnet.files.storage import staged_file
from calexnet.images.preprocessing import Preprocessing
from calexnet.memory import amount
from calexnet.progress import Progress
from calexnet.training.backbones.frozen import FrozenBackbone, handed
from calexnet.training.heads.base import Head

BATCH = 128

#: Side of the largest images that come so many at a time; of larger ones fewer, about as much work.
_SIDE = 64

#: What takes longer, or more room, is said beforehand.
_LONG_S, _LARGE = 60.0, 10**9

#: Places in a part.
_Places = NDArray[np.intp] | slice

#: Images computed afresh before files are used.
_PROBES = 8

#: How far these may be from the files, as a share of the largest number: a hundred times what other
#: threads, batches or kernels make of the same float32 sums, far less than another network does.
_TOLERANCE = 1e-3


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
    data: Dataset,
    rows: NDArray[np.intp],
    preprocessing: Preprocessing,
    folder: Path,
    label: str,
) -> Features:
    """Return features of a part of `data`, from `folder` if they are there, else computed and kept.

    Neither computing nor reading them keeps more than a batch in memory.

    Args:
        backbone: Gives features and logits.
        heads: One a branch; each says what of its features is worth keeping.
        data: The whole set.
        rows: Indices of the part.
        preprocessing: From bytes to the backbone's input.
        folder: Where the files are, and go.
        label: Shown as progress, and part of the files' names.

    Raises:
        StorageError: The disk is full; found before the pass, not in the middle of it.
    """
    source = _source(backbone, data.images, rows, preprocessing)
    logits = (len(rows), heads[0].classes)
    wanted: dict[Path, tuple[int, ...]] = {folder / f"{label}-logits-{source}.npy": logits}
    paths = []
    for name, head in zip(backbone.attach, heads, strict=True):
        paths.append(folder / f"{label}-{name}-{_reduction(head, source)}.npy")
        wanted[paths[-1]] = (len(rows), *_reduced_shape(head))

    def pass_over(some: _Places) -> list[NDArray[np.float32]]:
        return _pass(backbone, heads, preprocessing, data.images[rows[some]])

    there = all(_is_whole(path, shape) for path, shape in wanted.items())
    if not (there and _is_current(wanted, len(rows), pass_over)):
        batch = max(1, min(BATCH, BATCH * _SIDE**2 // (preprocessing.height * preprocessing.width)))
        _fill(wanted, len(rows), pass_over, label, batch)
    answers, *found = (np.load(path, mmap_mode="r") for path in [next(iter(wanted)), *paths])
    return Features(tuple(found), np.array(answers), data.labels[rows])


def require_room(attach: Sequence[str], heads: Sequence[Head], images: int, folder: Path) -> int:
    """Return how many bytes the features of so many images take, before anything takes hours.

    They are on the disk; of them, no more than a batch is in memory at a time.

    Args:
        attach: Names of the attach points.
        heads: One a branch.
        images: How many, of all parts together.
        folder: Where their files will be; what is there already may be they.

    Raises:
        StorageError: There is no room for them.
    """
    sizes = {
        name: 4 * images * math.prod(_reduced_shape(head))
        for name, head in zip(attach, heads, strict=True)
    }
    _refuse_full(folder, sizes, earlier=folder.glob("*.npy"))
    return sum(sizes.values())


def _reduced_shape(head: Head) -> tuple[int, ...]:
    return tuple(head.reduce(torch.zeros(1, *head.feature_shape)).shape[1:])


def tensor(array: NDArray[np.float32], rows: NDArray[np.intp]) -> Tensor:
    """Return some rows of a cached array as a tensor; only these are read, and none stay mapped."""
    found = torch.from_numpy(np.ascontiguousarray(array[rows]))
    if isinstance(array.base, mmap.mmap):
        # Pages once read count as this process's own until they are given back, however many.
        array.base.madvise(mmap.MADV_DONTNEED)
    return found


def _pass(
    backbone: FrozenBackbone,
    heads: Sequence[Head],
    preprocessing: Preprocessing,
    images: NDArray[np.uint8],
) -> list[NDArray[np.float32]]:
    """Return the logits and each branch's reduced features of a batch of images."""
    with torch.inference_mode():
        *features, logits = backbone(handed(backbone.network, preprocessing.normalise(images)))
        reduced = [head.reduce(found) for head, found in zip(heads, features, strict=True)]
    return [found.numpy() for found in (logits, *reduced)]


#: `_pass` over the images at some places of a part.
_PassOver = Callable[[_Places], list[NDArray[np.float32]]]


def _fill(
    wanted: dict[Path, tuple[int, ...]],
    count: int,
    pass_over: _PassOver,
    label: str,
    batch: int,
) -> None:
    """Run the backbone once over all `count` images; every file appears whole or not at all."""
    for path in wanted:
        path.parent.mkdir(parents=True, exist_ok=True)
    needed = _needed(wanted, label)
    began = time.monotonic()
    with ExitStack() as stages:
        streams = [
            _begun(stages.enter_context(stages.enter_context(staged_file(path)).open("wb")), shape)
            for path, shape in wanted.items()
        ]
        with Progress(f"features of the {label} part", count) as progress:
            for start in range(0, count, batch):
                some = slice(start, min(start + batch, count))
                for stream, found in zip(streams, pass_over(some), strict=True):
                    stream.write(np.ascontiguousarray(found).data)
                if start == 0:
                    whole_s = (time.monotonic() - began) / some.stop * count
                    room = needed, needed * some.stop // count
                    _foretell(label, count, whole_s, room, next(iter(wanted)).parent)
                progress.advance(some.stop - some.start)


def _needed(wanted: dict[Path, tuple[int, ...]], label: str) -> int:
    """Return how many bytes the files will take, if there is room for them."""
    folder = next(iter(wanted)).parent
    sizes = {
        path.name.removeprefix(f"{label}-").rpartition("-")[0]: 4 * math.prod(shape)
        for path, shape in wanted.items()
    }
    _refuse_full(folder, sizes, earlier=[path for path in wanted if path.exists()])
    return sum(sizes.values())


def _refuse_full(folder: Path, sizes: Mapping[str, int], earlier: Iterable[Path]) -> None:
    place = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free = shutil.disk_usage(place).free + sum(path.stat().st_size for path in earlier)
    if (needed := sum(sizes.values())) > free:
        raise StorageError(
            "the features do not fit on the disk",
            got=f"{amount(needed)}, most of it of {max(sizes, key=sizes.__getitem__)}",
            expected=f"at most {amount(free)}, which is free in {folder}",
            fix="Name another place with --cache DIR, or take smaller images, fewer of them, "
            "branches further back, or --head linear, which keeps least",
        )


def _foretell(label: str, count: int, whole_s: float, room: tuple[int, int], folder: Path) -> None:
    """Say what all will take, going by the first batch, if that is much.

    Args:
        label: Of the part.
        count: Its images.
        whole_s: Seconds.
        room: Bytes on the disk, and those of a batch.
        folder: Where.
    """
    needed, batch = room
    if whole_s > _LONG_S or needed > _LARGE:
        print(
            f"features of the {label} part: {count} images, about {whole_s / 60:.0f} min, "
            f"{amount(needed)} in {folder}, no more than {amount(batch)} of it in memory",
            file=sys.stderr,
        )


def _is_current(paths: Iterable[Path], count: int, pass_over: _PassOver) -> bool:
    """Tell whether some rows of the files are what the backbone gives for their images now."""
    some = np.unique(np.linspace(0, count - 1, _PROBES).astype(int))
    stored = (np.load(path, mmap_mode="r")[some] for path in paths)
    return all(map(_is_close, stored, pass_over(some)))


def _is_close(stored: NDArray[np.float32], fresh: NDArray[np.float32]) -> bool:
    largest = np.abs(fresh, where=np.isfinite(fresh), out=np.zeros_like(fresh)).max()
    return np.allclose(stored, fresh, rtol=0.0, atol=_TOLERANCE * largest, equal_nan=True)


def _source(
    backbone: FrozenBackbone,
    images: NDArray[np.uint8],
    rows: NDArray[np.intp],
    preprocessing: Preprocessing,
) -> str:
    """Return a hash of what the features follow from, but for their reduction."""
    digest = hashlib.sha256(schema.canonical(schema.encode(preprocessing)))
    for name, weights in backbone.network.state_dict().items():
        digest.update(name.encode())
        digest.update(weights.contiguous().numpy().tobytes())
    # Its modules with their settings: a pooling has no weights.
    digest.update(f"{type(backbone.network).__module__}.{backbone.network!r}".encode())
    digest.update(str((len(rows), *images.shape[1:])).encode())
    for start in range(0, len(rows), BATCH):
        digest.update(np.ascontiguousarray(images[rows[start : start + BATCH]]).data)
    return digest.hexdigest()[:16]


def _reduction(head: Head, source: str) -> str:
    """Return `source` together with what the head makes of features like these.

    So heads that keep the same find each other's files, and a user's own that changes does not.
    """
    random = np.random.default_rng(0).standard_normal((2, *head.feature_shape), np.float32)
    with torch.inference_mode():
        reduced = head.reduce(torch.from_numpy(random)).contiguous().numpy()
    digest = hashlib.sha256(f"{source}\n{reduced.shape[1:]}".encode())
    digest.update(reduced.data)
    return digest.hexdigest()[:16]


def _is_whole(path: Path, shape: tuple[int, ...]) -> bool:
    try:
        found = np.load(path, mmap_mode="r")
    except (OSError, ValueError, EOFError):  # not there, or damaged
        return False
    return bool(found.shape == shape and found.dtype == np.float32)


def _begun(stream: BinaryIO, shape: tuple[int, ...]) -> BinaryIO:
    """Return the stream of a new ``.npy`` file, ready for its numbers, their room taken already."""
    descr = np.lib.format.dtype_to_descr(np.dtype(np.float32))
    header = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    # A full disk is met here, before the backbone runs for an hour.
    os.posix_fallocate(stream.fileno(), 0, stream.tell() + 4 * math.prod(shape))
    return stream
