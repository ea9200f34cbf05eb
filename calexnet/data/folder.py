"""A data set as a tree of images: one sub-folder a class.

Folders of classes may lie in ``train``, ``valid`` and ``test``, which are then official parts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet.data import image, tree
from calexnet.data.dataset import Dataset, room
from calexnet.data.remarks import Remarks, counted, some
from calexnet.errors import InputError
from calexnet.images.resizing import Resize
from calexnet.progress import track

#: How many damaged files are named.
_NAMED = 20

#: Whose options are named.
_WHERE = "of calexnet train or calexnet data"


def load(root: Path, resize: Resize | None = None, *, skip_bad: bool = False) -> Dataset:
    """Return the images under `root`.

    A sample's key is its path relative to `root`, under its part's own name: ``valid/cat/1.png``
    for ``val/cat/1.png``.

    Args:
        root: The folder.
        resize: Every image is brought to size so; ``None`` = they are of one size.
        skip_bad: Leave out what cannot be read.

    Raises:
        InputError: The folders can be read in two ways, there are no images, or some of them are
            damaged, of unlike sizes, or too large for the memory; the message names the files.
        RuntimeUnavailableError: Pillow is not installed.
    """
    found = tree.read(root)
    reading = _Reading(root, len(found.files), resize)
    for row, file in enumerate(track(found.files, f"reading {root}", len(found.files))):
        reading.take(row, file)
    reading.refuse(skip_bad=skip_bad)
    files = [found.files[row] for row in reading.rows]
    return Dataset(
        name=root.resolve().name,
        images=reading.images[: len(files)],
        labels=np.array([file.label for file in files], dtype=np.int64),
        classes=found.classes,
        keys=tuple(file.key for file in files),
        official=found.official,
        source=root,
        resize=resize,
        skipped=tuple(reading.bad),
        remarks=Remarks(
            renamed=found.renamed,
            left_out=found.left_out,
            turned=reading.turned,
            deep=reading.deep,
        ),
    )


def few(root: Path, resize: Resize | None, limit: int) -> Dataset | None:
    """Return some of the images under `root`, of all classes in turn, without reading the others.

    Args:
        root: The folder.
        resize: See `load`.
        limit: How many at most.

    Returns:
        ``None`` where some of them cannot be used: `load` tells about all of those.

    Raises:
        InputError: The folders can be read in two ways, or there are no images.
        RuntimeUnavailableError: Pillow is not installed.
    """
    found = tree.read(root)
    turns: Counter[int] = Counter()
    numbered = []
    for file in found.files:
        numbered.append((turns[file.label], file))
        turns[file.label] += 1
    files = [file for _, file in sorted(numbered, key=lambda pair: pair[0])[:limit]]
    reading = _Reading(root, len(files), resize)
    for row, file in enumerate(files):
        reading.take(row, file)
    if len(reading.rows) < len(files):
        return None
    labels = np.array([file.label for file in files], dtype=np.int64)
    keys = tuple(file.key for file in files)
    return Dataset(root.resolve().name, reading.images, labels, found.classes, keys, source=root)


def size(image: NDArray[np.uint8]) -> str:
    """Return width and height of an image ``(H, W, 3)`` for a message."""
    return f"{image.shape[1]}x{image.shape[0]}"


@dataclass
class _Reading:
    """The images of a tree as they are read, and what is wrong with some of them."""

    root: Path
    count: int
    resize: Resize | None
    rows: list[int] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    sizes: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    turned: int = 0
    deep: int = 0

    def take(self, row: int, file: tree.ImageFile) -> None:
        try:
            if len(self.sizes) > 1:  # they will be refused: their heads say enough
                height, width = image.size_of(file.path)
                self._count(f"{width}x{height}", file)
                return
            picture = image.read(file.path)
        except InputError as problem:
            self.bad[file.key] = str(problem.__cause__ and image.reason(problem.__cause__))
            return
        pixels = picture.pixels if self.resize is None else self.resize(picture.pixels)
        self._count(size(pixels), file)
        if not self.rows:
            self.images = room(self.count, pixels.shape, self.root)
        if len(self.sizes) == 1:
            self.images[len(self.rows)] = pixels
            self.rows.append(row)
            self.turned += picture.turned
            self.deep += picture.deep

    def _count(self, size: str, file: tree.ImageFile) -> None:
        self.sizes[size] += 1
        self.examples.setdefault(size, file.key)

    def refuse(self, *, skip_bad: bool) -> None:
        """Do nothing if what was read is a data set."""
        if self.bad and not (skip_bad and self.sizes):
            named = tuple(f"{key} ({why})" for key, why in self.bad.items())
            raise InputError(
                f"cannot read {len(self.bad)} of {counted(self.count)} in {self.root}",
                got=some(named, _NAMED),
                expected="image files",
                fix=f"Replace them, or leave them out with --skip-bad, {_WHERE}",
            )
        if len(self.sizes) > 1:
            most = [
                f"{size} ({counted(count)}, {self.examples[size]})"
                for size, count in self.sizes.most_common()
            ]
            raise InputError(
                f"the images of {self.root} are of unlike sizes",
                got=some(tuple(most), 3),
                expected="one size",
                fix=f"Bring them to one with --resize N or --resize shorter:N,crop:M, {_WHERE}",
            )
