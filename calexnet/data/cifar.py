"""The binary files of CIFAR-10 and CIFAR-100: label bytes, then the planes of one 32x32 image.

The layout is documented at https://www.cs.toronto.edu/~kriz/cifar.html, where the files are too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from calexnet.data import archive
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError

SIDE = 32
_PIXELS = 3 * SIDE * SIDE


@dataclass(frozen=True)
class Layout:
    """Where everything is.

    Attributes:
        folder: The folder in the archive.
        files: Official part -> its files in order.
        classes: The file with a class's name a line.
        label_bytes: Before the pixels of each image.
        label: Which of them counts.
    """

    folder: str
    files: dict[str, tuple[str, ...]]
    classes: str
    label_bytes: int
    label: int


def read(path: Path, layout: Layout, name: str) -> Dataset:
    """Return the data set in `path`: the ``.tar.gz``, or the folder unpacked from it.

    Raises:
        InputError: A file is missing, damaged or cut, or a label is out of range; the message
            names the file.
    """
    wanted = [layout.classes, *(file for files in layout.files.values() for file in files)]
    content = _from_folder(path, wanted) if path.is_dir() else _from_archive(path, wanted, layout)
    for file in wanted:
        if file not in content:
            raise InputError(f"{path} is not whole", got=f"no {file}", fix="Fetch it again")
    classes = tuple(content.pop(layout.classes).decode("utf-8", "replace").split())
    counts, images, labels = [], [], []
    for files in layout.files.values():
        decoded = [_decode(path / file, content.pop(file), layout, len(classes)) for file in files]
        images += [pixels for pixels, _ in decoded]
        labels += [truth for _, truth in decoded]
        counts.append(sum(len(truth) for _, truth in decoded))
    return Dataset(
        name=name,
        images=np.concatenate(images),
        labels=np.concatenate(labels),
        classes=classes,
        keys=tuple(
            f"{part}/{position:05d}"
            for part, count in zip(layout.files, counts, strict=True)
            for position in range(count)
        ),
        official=tuple(layout.files),
        source=path,
    )


def _from_folder(path: Path, wanted: list[str]) -> dict[str, bytes]:
    try:
        return {file: (path / file).read_bytes() for file in wanted if (path / file).is_file()}
    except OSError as problem:
        raise InputError(f"cannot read {path}", got=problem) from problem


def _from_archive(path: Path, wanted: list[str], layout: Layout) -> dict[str, bytes]:
    names = {f"{layout.folder}/{file}" for file in wanted}
    found = archive.members(path, lambda name: str(PurePosixPath(name)) in names)
    return {name.rpartition("/")[2]: content for name, content in found}


def _decode(
    file: Path, content: bytes, layout: Layout, classes: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    record = layout.label_bytes + _PIXELS
    if not content or len(content) % record:
        raise InputError(
            f"{file} is cut, or its images are of another size",
            got=f"{len(content)} bytes",
            expected=f"a multiple of {record}, {layout.label_bytes} for the label and {_PIXELS} "
            f"for {SIDE}x{SIDE} pixels",
            fix="Fetch it again",
        )
    rows = np.frombuffer(content, np.uint8).reshape(-1, record)
    labels = rows[:, layout.label].astype(np.int64)
    if labels.max() >= classes:
        raise InputError(
            f"a label in {file} is out of range",
            got=int(labels.max()),
            expected=f"0 to {classes - 1}, the classes in {layout.classes}",
            fix="Fetch it again",
        )
    planes = rows[:, layout.label_bytes :].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
