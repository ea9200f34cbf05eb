"""One image file as pixels: read by Pillow, turned as it says, 16 bits brought to 8."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError, RuntimeUnavailableError

if TYPE_CHECKING:
    from PIL.Image import Image

#: How the names of image files end.
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp"}

#: What may be in them, whatever the name says. Pillow knows formats that start other programs.
_FORMATS = ("PNG", "JPEG", "MPO", "BMP", "PPM", "WEBP", "GIF")

#: Pillow's modes of more than 8 bits a pixel; ``I`` holds 16 of them in a PNG or PPM.
_DEEP = ("I;16", "I;16L", "I;16B", "I;16N", "I")

_ORIENTATION = 0x0112

#: What is told of a file of which the end is missing, as of a download that broke off.
_CUT_SHORT = "cut short: copy it again"


@dataclass(frozen=True)
class Picture:
    """What is in an image file.

    Attributes:
        pixels: uint8 ``(H, W, 3)``, upright.
        turned: Its EXIF said that it lies on a side or is mirrored.
        deep: It had 16 bits a pixel; the upper 8 are kept, as Pillow and OpenCV do with colours.
    """

    pixels: NDArray[np.uint8]
    turned: bool = False
    deep: bool = False


def read(source: Path | BinaryIO, name: str | None = None) -> Picture:
    """Return the image in a file.

    Args:
        source: A regular file, or the content of one.
        name: Of the file, for messages; that of `source` by default.

    Raises:
        InputError: There is no such file, or it is no image.
        RuntimeUnavailableError: Pillow is not installed.
    """
    with _opened(source, name) as image:
        return picture(image)


def picture(image: Any, *, grey: bool = False) -> Picture:
    """Return what is in an image of Pillow.

    Args:
        image: Open.
        grey: One channel, uint8 ``(H, W, 1)``; else three.
    """
    turned = image.getexif().get(_ORIENTATION, 1) in range(2, 9)
    deep = image.mode in _DEEP
    upright = _upright(_eight_bits(image) if deep else image, image, turned=turned)
    pixels = np.asarray(upright.convert("L" if grey else "RGB"), dtype=np.uint8)
    return Picture(pixels[..., None] if grey else pixels, turned, deep)


def size_of(path: Path) -> tuple[int, int]:
    """Return height and width of the image in a file, upright, from its head; raises as `read`."""
    with _opened(path, None) as image:
        width, height = image.size
        on_its_side = image.getexif().get(_ORIENTATION, 1) in range(5, 9)
        return (width, height) if on_its_side else (height, width)


@contextmanager
def _opened(source: Path | BinaryIO, name: str | None) -> Iterator[Image]:
    pillow = _pillow()
    try:
        if isinstance(source, Path) and source.exists() and not source.is_file():
            raise ValueError("no regular file")  # noqa: TRY301
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of damaged EXIF, of large images
            with pillow.open(source, formats=_known(pillow)) as image:
                yield image
    except (OSError, ValueError, SyntaxError, OverflowError, pillow.DecompressionBombError) as it:
        raise InputError(
            f"cannot read {name or source} as an image", got=reason(it), expected="an image file"
        ) from it


def reason(problem: BaseException) -> str:
    """Return what Pillow says is wrong with a file, less its path."""
    if isinstance(problem, OSError) and problem.strerror:
        return problem.strerror
    if type(problem).__name__ == "UnidentifiedImageError":
        return "no image"
    said = " ".join(str(problem).split()) or type(problem).__name__
    return f"{_CUT_SHORT} ({said})" if "truncated" in said or "EOF" in said else said


def _eight_bits(image: Image) -> Any:
    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise ValueError(f"pixels from {values.min()} to {values.max()}, beyond 16 bits")
    return _pillow().fromarray((values >> 8).astype(np.uint8))


def _upright(pixels: Image, image: Image, *, turned: bool) -> Image:
    if not turned:
        return pixels
    method = {
        2: "FLIP_LEFT_RIGHT",
        3: "ROTATE_180",
        4: "FLIP_TOP_BOTTOM",
        5: "TRANSPOSE",
        6: "ROTATE_270",
        7: "TRANSVERSE",
        8: "ROTATE_90",
    }[image.getexif()[_ORIENTATION]]
    return pixels.transpose(_pillow().Transpose[method])


def _known(pillow: Any) -> tuple[str, ...]:
    """Return those of `_FORMATS` that this Pillow was built with."""
    pillow.preinit()
    if not set(_FORMATS) <= set(pillow.OPEN):
        pillow.init()
    return tuple(name for name in _FORMATS if name in pillow.OPEN)


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "reading image files needs Pillow, which is not installed",
            fix="Run: pip install 'calexnet[bench]'; or give an .npz file instead",
        ) from missing
    return PIL.Image
