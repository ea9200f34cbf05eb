"""CIFAR in one ``.npz``, packed small without loss: arrays ``d_train``, ``d_test`` and labels.

``d`` is uint8 ``(n, 3, 32, 32)`` with the planes green, red - green and blue - green, each stored
as its differences down and then across, all modulo 256.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.data import npz
from calexnet.data.cifar import SIDE
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError

OFFICIAL = ("train", "test")
_CHUNK = 2000


def read(path: Path, name: str, labels: str, classes: str) -> Dataset:
    """Return the data set in `path`; the order of its images is the file's own.

    Args:
        path: The file.
        name: Of the data set.
        labels: Begin of the names of the label arrays: ``y`` for ``y_train`` and ``y_test``.
        classes: Name of the array of class names.

    Raises:
        InputError: The file is damaged, an array is missing, or images, labels and classes do not
            fit together; the message names the file.
    """
    differences = [f"d_{part}" for part in OFFICIAL]
    truths = [f"{labels}_{part}" for part in OFFICIAL]
    arrays = npz.read_arrays(path, (*differences, *truths, classes))
    counts = [arrays[truth].size for truth in truths]
    if arrays[classes].ndim != 1:
        raise _unusable(path, classes, arrays[classes], "names (classes,)")
    for stored, truth, count in zip(differences, truths, counts, strict=True):
        _check(path, stored, arrays[stored], (count, 3, SIDE, SIDE))
        _check(path, truth, arrays[truth], (count,))
        if arrays[truth].max(initial=0) >= len(arrays[classes]):
            raise InputError(
                f"the array {truth} of {path} has a label out of range",
                got=int(arrays[truth].max()),
                expected=f"0 to {len(arrays[classes]) - 1}, the classes in {classes}",
            )
    images = np.empty((sum(counts), SIDE, SIDE, 3), np.uint8)
    filled = 0
    for stored in differences:
        packed = arrays.pop(stored)
        for start in range(0, len(packed), _CHUNK):
            some = _decode(packed[start : start + _CHUNK])
            images[filled : filled + len(some)] = some
            filled += len(some)
    return Dataset(
        name=f"{name} ({path.name})",
        images=images,
        labels=np.concatenate([arrays[truth] for truth in truths]).astype(np.int64),
        classes=tuple(str(each) for each in arrays[classes]),
        keys=tuple(
            f"{part}/{position:05d}"
            for part, count in zip(OFFICIAL, counts, strict=True)
            for position in range(count)
        ),
        official=OFFICIAL,
        source=path,
    )


def _check(path: Path, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.dtype != np.uint8 or array.shape != shape:
        raise _unusable(path, name, array, f"uint8 {shape}")


def _unusable(path: Path, name: str, array: NDArray[Any], expected: str) -> InputError:
    return InputError(
        f"the array {name} of {path} cannot be used",
        got=f"{array.dtype} {array.shape}",
        expected=expected,
    )


def _decode(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    down = np.cumsum(packed, axis=2, dtype=np.uint8)
    planes = np.cumsum(down, axis=3, dtype=np.uint8)
    green = planes[:, 0]
    return np.stack([planes[:, 1] + green, green, planes[:, 2] + green], axis=-1)
