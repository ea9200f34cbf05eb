"""The one way in which an image changes its size: Pillow's bilinear, here in numpy.

Training, boards and apps do the same, whatever they have installed. "Bilinear" is not one thing:
libraries differ by whether they smooth before they shrink, and by where a pixel's centre lies, and
a network notices. This is ``Image.resize(size, BILINEAR)`` of Pillow: a triangle as wide as the
pixels of the smaller image, in fixed point, rounded to bytes after each direction. Across comes
before down, always; a Pillow that begins with the other is off by one level at most.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError

#: Bits behind the point of a weight: 32, less 8 of a pixel and 2 to spare.
_BITS = 22

#: What `Resize.parse` takes, for help texts.
FORMS = "N | WxH | shorter:N,crop:M"

_STRAIGHT = re.compile(r"(?P<width>\d+)(?:x(?P<height>\d+))?")
_CROPPED = re.compile(r"shorter:(?P<shorter>\d+),crop:(?P<side>\d+)")


@dataclass(frozen=True)
class Resize:
    """How an image of any size becomes one of a cascade's.

    Attributes:
        height: Pixels, in the end.
        width: Likewise.
        shorter: What the shorter side is brought to, the other in proportion, before the middle is
            cut out; ``None`` = both sides are brought to size at once, in proportion or not.
    """

    height: int
    width: int
    shorter: int | None = None

    def __post_init__(self) -> None:
        """Check that there is something left to cut out.

        Raises:
            InputError: A size of 0, or a middle larger than the image.
        """
        if min(self.height, self.width) < 1:
            raise InputError("images cannot be brought to that size", got=self.words())
        if self.shorter is not None and self.shorter < max(self.height, self.width):
            raise InputError(
                "images cannot be brought to that size",
                got=self.words(),
                expected="a shorter side at least as long as what is cut out of it",
            )

    @classmethod
    def parse(cls, text: str) -> Resize:
        """Return what ``224``, ``320x240`` or ``shorter:256,crop:224`` says.

        Raises:
            InputError: It says nothing of the kind, or a size of 0.
        """
        if straight := _STRAIGHT.fullmatch(text):
            width = int(straight["width"])
            return cls(int(straight["height"] or width), width)
        if cropped := _CROPPED.fullmatch(text):
            side = int(cropped["side"])
            return cls(side, side, int(cropped["shorter"]))
        raise InputError("cannot read the size", got=repr(text), expected=FORMS)

    def words(self) -> str:
        """Return what `parse` reads as this."""
        if self.shorter is not None:
            return f"shorter:{self.shorter},crop:{self.width}"
        return f"{self.width}" if self.width == self.height else f"{self.width}x{self.height}"

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return uint8 ``(height, width, C)`` of an image uint8 ``(h, w, C)`` of at least a pixel.

        Sides and middle are rounded as torchvision's ``Resize`` and ``CenterCrop`` round them.

        Raises:
            InputError: Something else than such an image.
        """
        image = _checked(image)
        if self.shorter is None:
            return resize(image, self.height, self.width)
        height, width = image.shape[:2]
        short = min(height, width)
        scaled = resize(image, self.shorter * height // short, self.shorter * width // short)
        top, left = (
            round((there - wanted) / 2)
            for there, wanted in zip(scaled.shape, (self.height, self.width), strict=False)
        )
        return np.ascontiguousarray(scaled[top : top + self.height, left : left + self.width])


def resize(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return uint8 ``(height, width, C)`` of an image uint8 ``(h, w, C)``, as Pillow would."""
    return _along(_along(image, 1, width), 0, height)


def _along(image: NDArray[np.uint8], axis: int, size: int) -> NDArray[np.uint8]:
    extent = image.shape[axis]
    if extent == size:
        return image
    first, weights = _taps(extent, size)
    shape = list(image.shape)
    shape[axis] = size
    total = np.full(shape, 1 << (_BITS - 1), np.int32)  # a half, to round
    for tap, weight in enumerate(weights):
        pixels = image.take(np.minimum(first + tap, extent - 1), axis)
        total += pixels * weight.reshape(-1, 1, 1) if axis == 0 else pixels * weight[:, None]
    return (total >> _BITS).clip(0, 255).astype(np.uint8)


def _taps(extent: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Return where each new pixel begins to look, and the weights of what it sees, a row a tap.

    The triangle is one old pixel wide to each side where an image grows, one new pixel where it
    shrinks.
    """
    scale = extent / size
    reach = max(scale, 1.0)
    centre = (np.arange(size) + 0.5) * scale
    first = (centre - reach + 0.5).clip(0, None).astype(np.int64)
    beyond = (centre + reach + 0.5).astype(np.int64).clip(None, extent)
    seen = first + np.arange((beyond - first).max())[:, None]
    share = 1.0 - np.abs((seen - centre + 0.5) * (1.0 / reach))
    share = np.where(seen < beyond, share.clip(0.0, None), 0.0)
    share /= share.cumsum(0)[-1]  # added up one after the other, as in C
    return first, (0.5 + share * (1 << _BITS)).astype(np.int32)


def _checked(image: Any) -> NDArray[np.uint8]:
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or 0 in array.shape:
        raise InputError(
            "cannot resize what is no image",
            got=f"{array.dtype} {array.shape}",
            expected="uint8 (height, width, channels)",
        )
    return array


def matrices(
    extent: tuple[int, int], size: tuple[int, int]
) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
    """Return `resize` as two matrix products, for graphs: across, then down.

    Each is rounded, halves up, and clipped to bytes. The weights are those of the fixed point,
    which float32 holds; `halves_of` splits them so that the sums are exact too.

    Args:
        extent: Height and width before.
        size: Height and width after.

    Returns:
        ``(W, w)`` and ``(H, h)``, float32; ``None`` where a side stays as it is.
    """
    down, across = (
        None if before == after else _matrix(before, after)
        for before, after in zip(extent, size, strict=True)
    )
    return across, down


def halves_of(
    matrix: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a coarse and a fine matrix that add up to one of `matrices`.

    Products of either with bytes are exact in float32, in any order of sums: coarse weights have
    half of the bits, and fine ones are the rest, up to some 60 pixels that one new pixel sees.
    """
    unit = np.float32(1 << (_BITS // 2))
    coarse = np.asarray(np.rint(matrix * unit) / unit, np.float32)
    return coarse, matrix - coarse


def _matrix(extent: int, size: int) -> NDArray[np.float32]:
    first, weights = _taps(extent, size)
    found = np.zeros((extent, size), np.int64)
    for tap, weight in enumerate(weights):
        np.add.at(found, (np.minimum(first + tap, extent - 1), np.arange(size)), weight)
    return (found / (1 << _BITS)).astype(np.float32)


def resizing_macs(before: tuple[int, int, int], after: tuple[int, int, int]) -> int:
    """Return the MACs of bringing one image ``(H, W, C)`` to ``(h, w, C)``: both halves count."""
    (height, width, channels), (low, narrow, _) = before, after
    across = channels * height * narrow * width if width != narrow else 0
    down = channels * narrow * low * height if height != low else 0
    return 2 * (across + down)
