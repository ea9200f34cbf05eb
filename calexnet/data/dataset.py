"""What a data set is here: raw images, labels, names, and a key for every sample."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet.data.remarks import Remarks, counted
from calexnet.errors import InputError
from calexnet.images.resizing import Resize
from calexnet.memory import amount, available_bytes
from calexnet.progress import track

#: What to do about labels with a row for each image.
ONE_RIGHT = (
    "Take argmax(1) of one-hot rows; several right classes an image (multi-label) are not supported"
)


@dataclass(frozen=True)
class Dataset:
    """A labelled set of images of one size.

    Attributes:
        name: For records, and for messages about what the set is used for.
        images: uint8 ``(n, H, W, C)``.
        labels: int64 ``(n,)``, 0 to classes - 1.
        classes: The classes' names in label order.
        keys: One for each sample, unique and the same wherever the set is read: a relative path,
            or the position in the original order. Splits follow from it.
        official: The parts that the set's makers divided it into, if they did; then every key
            begins with its part's name and a slash: ``test/00042``.
        source: The file or folder that it was read from, for messages about what is wrong there;
            its name if there is none.
        resize: How its images came to their size, if that was done here.
        skipped: Keys of images that were left out because they cannot be read.
        remarks: What else reading it came upon.
        columns: What else is known of every sample, by name: groups that it may belong to.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    official: tuple[str, ...] = ()
    source: Path | None = None
    resize: Resize | None = None
    skipped: tuple[str, ...] = ()
    remarks: Remarks = field(default_factory=Remarks)
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            InputError: They do not; the message names where the data set came from.
        """
        where: object = self.name if self.source is None else self.source
        if any(isinstance(array, np.ma.MaskedArray) for array in (self.images, self.labels)):
            raise InputError(f"{where} cannot be used", got="a masked array", fix="Fill it first")
        if (
            self.images.dtype != np.uint8
            or self.images.ndim != 4
            or (len(self.images) and not self.images.size)
        ):
            raise InputError(
                f"the images of {where} cannot be used",
                got=f"{self.images.dtype} {self.images.shape}",
                expected="uint8 (n, height, width, channels)",
            )
        if self.labels.ndim != 1 or self.labels.dtype.kind not in "iu":
            raise InputError(
                f"the labels of {where} cannot be used",
                got=f"{self.labels.dtype} {self.labels.shape}",
                expected="integers (n,)",
                fix=ONE_RIGHT if self.labels.ndim == 2 else None,
            )
        if not len(self.images) == len(self.labels) == len(self.keys):
            raise InputError(
                f"{where} is not whole",
                got=f"{len(self.images)} images, {len(self.labels)} labels, {len(self.keys)} keys",
                expected="as many of each",
            )
        if len(self.labels) == 0:
            raise InputError(f"{where} is empty", expected="labelled images")
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < 0 or high >= len(self.classes):
            raise InputError(
                f"the labels of {where} are out of range",
                got=f"labels from {low} to {high}",
                expected=f"0 to {len(self.classes) - 1}",
            )
        twice = [name for name, count in Counter(self.classes).items() if count > 1]
        if twice:
            raise InputError(
                f"the classes of {where} cannot be used",
                got=f"{twice[0]!r} twice",
                expected="one name a class",
            )
        if len(set(self.keys)) != len(self.keys):
            raise InputError(
                f"the keys of {where} cannot be used", got="a key twice", expected="unique keys"
            )
        begins = tuple(f"{part}/" for part in self.official)
        stray = next((key for key in self.keys if begins and not key.startswith(begins)), None)
        if stray is not None:
            raise InputError(
                f"the keys of {where} do not fit its official parts",
                got=repr(stray),
                expected=f"one that begins with {' or '.join(begins)}",
            )

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: NDArray[np.intp]) -> Dataset:
        """Return the samples at `rows`, in that order; their images are copied."""
        return replace(
            self,
            images=self.images[rows],
            labels=self.labels[rows],
            keys=tuple(self.keys[row] for row in rows),
            columns={
                name: tuple(values[row] for row in rows) for name, values in self.columns.items()
            },
        )

    def absent(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        """Return the classes that none of the samples at `rows` has."""
        seen = set(self.labels[rows].tolist())
        return tuple(name for label, name in enumerate(self.classes) if label not in seen)

    def brought_to(self, resize: Resize | None) -> Dataset:
        """Return this set with its images brought to size; those of that size stay as they are.

        Raises:
            InputError: They came to their size in another way already.
        """
        if resize is None or self.resize == resize:
            return self
        if self.resize is not None:
            raise InputError(
                f"the images of {self.name} were brought to size in another way",
                got=self.resize.words(),
                expected=resize.words(),
                fix="Make the set again from the images as they were",
            )
        if self.images.shape[1:3] == (resize.height, resize.width):
            return self
        shape = resize.height, resize.width, self.images.shape[3]
        images = room(len(self), shape, self.name)
        for row, image in enumerate(track(self.images, f"resizing {self.name}", len(self))):
            images[row] = resize(image)
        return replace(self, images=images, resize=resize)

    def sentences(self) -> list[str]:
        """Return what there is to say of how this set was read, a line each."""
        remarks = replace(
            self.remarks,
            skipped=self.skipped,
            resized=None if self.resize is None else self.resize.words(),
            empty=self.absent(np.arange(len(self))),
        )
        return [f"{self.name}: {line}" for line in remarks.sentences()]

    def check_fits(self, image_shape: tuple[int, int, int], classes: tuple[str, ...]) -> None:
        """Do nothing if a cascade for these images and classes can be asked about this set.

        Raises:
            InputError: Its images have another shape, or its classes are others.
        """
        if self.images.shape[1:] != image_shape:
            raise InputError(
                f"the images of {self.name} do not fit this cascade",
                got=self.images.shape[1:],
                expected=f"{image_shape}, height x width x channels",
            )
        if self.classes != classes:
            raise InputError(
                f"the classes of {self.name} are not this cascade's",
                got=_few(self.classes),
                expected=_few(classes),
            )


def room(count: int, shape: tuple[int, ...], where: object) -> NDArray[np.uint8]:
    """Return uint8 ``(count, *shape)`` for the images of a set that is read from `where`.

    Raises:
        InputError: That is more memory than is free.
    """
    whole, free = count * math.prod(shape), available_bytes()
    if whole > free:
        raise InputError(
            f"the images of {where} do not fit into memory",
            got=f"{counted(count)} of {shape[1]}x{shape[0]}, {amount(whole)}",
            expected=f"at most {amount(free)}, which is free",
            fix="Bring them to a smaller size with --resize, or give fewer",
        )
    return np.empty((count, *shape), np.uint8)


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")
