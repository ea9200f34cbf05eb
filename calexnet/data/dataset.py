"""What a data set is here: raw images, labels, names, and a key for every sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError


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
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]
    keys: tuple[str, ...]
    official: tuple[str, ...] = ()
    source: Path | None = None

    def __post_init__(self) -> None:
        """Check that the parts fit together.

        Raises:
            InputError: They do not; the message names where the data set came from.
        """
        where: object = self.name if self.source is None else self.source
        if self.images.dtype != np.uint8 or self.images.ndim != 4:
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
        )

    def absent(self, rows: NDArray[np.intp]) -> tuple[str, ...]:
        """Return the classes that none of the samples at `rows` has."""
        seen = set(self.labels[rows].tolist())
        return tuple(name for label, name in enumerate(self.classes) if label not in seen)

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


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f", ... ({len(names)})" if len(names) > 5 else "")
