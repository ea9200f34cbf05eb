"""From the bytes of an image to what the backbone was trained on.

The same arithmetic is compiled into every first segment; this is its reference in numpy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from calexnet import numbers
from calexnet.errors import InputError
from calexnet.images.resizing import Resize

InputForm = Literal["uint8", "float"]

#: Most pixels of a side: more than any camera has.
MOST_PIXELS = 2**16

_CHUNK = 1024
_DTYPES: dict[str, np.dtype[Any]] = {
    "uint8": np.dtype(np.uint8),
    "float": np.dtype(np.float32),
}


@dataclass(frozen=True)
class Preprocessing:
    """How an image becomes the backbone's input: ``(x / 255 - mean) / std``, channels first.

    Attributes:
        height: Pixels.
        width: Pixels.
        mean: One a channel, in 0..1.
        std: One a channel, over 0.
        input: ``uint8`` takes raw images ``(n, H, W, C)`` and does this inside the graph; ``float``
            takes float32 ``(n, C, H, W)``, already normalised.
        resize: How the images it was trained on came to this size, and other images do; ``None`` =
            they were of this size.
    """

    height: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    input: InputForm = "uint8"
    resize: Resize | None = None

    def __post_init__(self) -> None:
        numbers.whole("the images' height", self.height, 1, MOST_PIXELS)
        numbers.whole("the images' width", self.width, 1, MOST_PIXELS)
        if len(self.mean) != len(self.std) or not self.mean:
            raise InputError(
                "mean and std do not fit",
                got=f"{len(self.mean)} and {len(self.std)} numbers",
                expected="one a channel each",
            )
        if not all(s > 0 for s in self.std):
            raise InputError("std cannot be used", got=self.std, expected="numbers over 0")
        sides = self.height, self.width
        if self.resize is not None and (self.resize.height, self.resize.width) != sides:
            raise InputError(
                "images are brought to another size",
                got=self.resize.words(),
                expected=f"{self.width}x{self.height}",
            )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return len(self.mean)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Shape of one raw image, ``(H, W, C)``."""
        return self.height, self.width, self.channels

    def batch_shape(self) -> tuple[int, int, int]:
        """Shape that an engine's input has after the batch axis."""
        if self.input == "uint8":
            return self.image_shape
        return self.channels, self.height, self.width

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of an engine's input."""
        return _DTYPES[self.input]

    def normalise(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return float32 ``(n, C, H, W)`` for uint8 ``(n, H, W, C)``."""
        scale, shift = self.scale_and_shift()
        channels_first = images.transpose(0, 3, 1, 2).astype(np.float32)
        return np.asarray(channels_first * scale + shift, dtype=np.float32)

    def resized(self, images: Iterable[NDArray[np.uint8]]) -> NDArray[np.uint8]:
        """Return raw images of any sizes, one or many, as one batch uint8 ``(n, H, W, C)``.

        They are brought to size as the images of the training were (`resize`); where these were of
        this size already, both sides are brought to it at once.

        Args:
            images: Each uint8 ``(h, w, C)``; or one alone.

        Raises:
            InputError: One of them is no such image.
        """
        if isinstance(images, np.ndarray) and images.ndim == 3:
            images = images[None]
        way = self.resize or Resize(self.height, self.width)
        batch = [way(image) for image in images]
        wrong = next((image.shape for image in batch if image.shape != self.image_shape), None)
        if wrong is not None:
            raise InputError(
                "an image does not fit this cascade",
                got=f"{wrong[2]} channels",
                expected=f"{self.channels}",
            )
        return np.stack(batch) if batch else np.empty((0, *self.image_shape), np.uint8)

    def as_input(self, images: NDArray[np.uint8]) -> NDArray[Any]:
        """Return raw images ``(n, H, W, C)`` as an engine takes them."""
        return images if self.input == "uint8" else self.normalise(images)

    def restore(self, normalised: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Return the uint8 images ``(n, H, W, C)`` that `normalise` made float32 of."""
        scale, shift = self.scale_and_shift()
        raw = np.rint((normalised - shift) / scale).clip(0, 255).astype(np.uint8)
        return np.ascontiguousarray(raw.transpose(0, 2, 3, 1))

    def scale_and_shift(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the normalisation as ``x * scale + shift``: float32 ``(1, C, 1, 1)`` each."""
        mean, std = np.asarray(self.mean), np.asarray(self.std)
        shape = (1, self.channels, 1, 1)
        scale = (1.0 / (255.0 * std)).astype(np.float32).reshape(shape)
        return scale, (-mean / std).astype(np.float32).reshape(shape)

    def check(self, images: object) -> NDArray[np.uint8] | NDArray[np.float32]:
        """Return `images` as an array that an engine takes, or say why not.

        Raises:
            InputError: Another type or shape, or a float batch with a NaN.
        """
        return self.ready(self.fitting(images))

    def fitting(self, images: object) -> NDArray[Any]:
        """Return `images` as an array of the type and shape that fits; nothing is copied.

        Raises:
            InputError: Another type or shape.
        """
        if isinstance(images, np.ma.MaskedArray):
            raise InputError(
                "the batch of images does not fit this cascade",
                got="a masked array",
                fix="Fill what is masked before this call",
            )
        try:
            array, alike = np.asarray(images), True
        except ValueError:
            array, alike = np.empty((), dtype=object), False
        dtype, wanted = self.dtype, self.batch_shape()
        if array.dtype != dtype or array.ndim != 4 or array.shape[1:] != wanted:
            got = f"{array.dtype} {array.shape}" if alike else "images of several sizes"
            raise InputError(
                "the batch of images does not fit this cascade",
                got=got,
                expected=f"{dtype} (n, {', '.join(map(str, wanted))})",
                fix=self._advice(array),
            )
        return array

    def ready(self, images: NDArray[Any], first: int = 0) -> NDArray[Any]:
        """Return fitting `images` as an engine takes them: C-contiguous, without NaN.

        Args:
            images: A batch, or as much of a large one as is run at once.
            first: The number of its first image in the whole batch, for the message.

        Raises:
            InputError: A float batch with a NaN.
        """
        if self.input == "float" and (nan := np.isnan(images)).any():
            bad = int(nan.reshape(len(images), -1).any(1).sum())
            raise InputError(
                "the batch of images holds NaN",
                got=f"{bad} of {len(images)} images with NaN"
                + (f", from image {first} on" if first else ""),
                expected="numbers",
                fix="Check the preprocessing before this call",
            )
        return images if images.flags.c_contiguous else np.ascontiguousarray(images)

    def _advice(self, array: NDArray[np.generic]) -> str:
        if array.shape == self.batch_shape():
            return "For a single image pass images[None]"
        raw = array.dtype == np.uint8 and array.ndim in (3, 4) and array.shape[-1] == self.channels
        if array.dtype == object or (raw and array.shape[-3:] != self.image_shape):
            return (
                "Pass cascade.resize(images): it brings raw images (height, width, "
                f"{self.channels}) of any sizes into this form"
            )
        if self.input == "uint8":
            return "Pass images as a camera or a decoder gives them: bytes, channels last"
        return "Pass normalised images, channels first"


def channel_statistics(
    images: NDArray[np.uint8], rows: NDArray[np.intp]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel, in 0..1, over the images at `rows`.

    From counts of the 256 values, so that no large set is ever copied as floats.
    """
    channels = images.shape[3]
    counts = np.zeros((channels, 256), np.int64)
    for start in range(0, len(rows), _CHUNK):
        some = images[rows[start : start + _CHUNK]]
        for channel in range(channels):
            counts[channel] += np.bincount(some[..., channel].ravel(), minlength=256)
    values, pixels = np.arange(256), counts.sum(1)
    mean = (counts @ values) / pixels
    variance = (counts * (values - mean[:, None]) ** 2).sum(1) / pixels
    return tuple((mean / 255).tolist()), tuple((np.sqrt(variance) / 255).tolist())
