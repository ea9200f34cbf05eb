"""One image file: every kind of pixels, turned upright, and every damage told."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet.data import image
from calexnet.errors import InputError

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "rex.png"
    Image.new("RGB", (4, 3), (10, 20, 30)).save(path)
    return path


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA", "CMYK"])
def test_every_kind_of_pixel_becomes_red_green_and_blue(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("white.jpg" if mode == "CMYK" else "white.png")
    Image.new("L", (4, 3), 255).convert(mode).save(path)

    found = image.read(path)

    assert np.array_equal(np.full((3, 4, 3), 255, np.uint8), found.pixels)
    assert (False, False) == (found.turned, found.deep)
    assert (3, 4) == image.size_of(path)


@pytest.mark.parametrize("kind", ["png", "ppm"])
def test_sixteen_bits_keep_their_upper_eight(kind: str) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (9, 8)).astype(np.uint16)
    stream = io.BytesIO()
    if kind == "png":
        Image.fromarray(values).save(stream, "png")
    else:
        stream.write(b"P5 8 9 65535\n" + values.astype(">u2").tobytes())

    found = image.read(stream)

    assert np.array_equal(np.repeat((values // 256)[..., None], 3, 2), found.pixels)
    assert found.deep


def upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return what a viewer shows, by the words of the EXIF standard (row 0, column 0 are ...)."""
    return {
        1: pixels,  # top, left
        2: pixels[:, ::-1],  # top, right
        3: pixels[::-1, ::-1],  # bottom, right
        4: pixels[::-1],  # bottom, left
        5: pixels.transpose(1, 0, 2),  # left, top
        6: pixels.transpose(1, 0, 2)[:, ::-1],  # right, top
        7: pixels.transpose(1, 0, 2)[::-1, ::-1],  # right, bottom
        8: pixels.transpose(1, 0, 2)[::-1],  # left, bottom
    }[orientation]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_exif_says(tmp_path: Path, orientation: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "phone.png", exif=exif)

    found = image.read(tmp_path / "phone.png")

    assert np.array_equal(upright(pixels, orientation), found.pixels)
    assert (orientation > 1) == found.turned
    assert found.pixels.shape[:2] == image.size_of(tmp_path / "phone.png")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:50])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def overwrite(path: Path) -> None:
    path.write_text("not an image")


def cut_header(path: Path) -> None:
    path.write_bytes(b"P6 4")


def damage_chunk(path: Path) -> None:
    """Make the decoder meet a chunk without a name, which it reports as a SyntaxError."""
    whole = path.read_bytes()
    place = whole.index(b"IDAT") - 4
    path.write_bytes(whole[:place] + b"\0\0\0\0" + whole[place + 4 :])


def claim_size(path: Path) -> None:
    """Make the header claim so many pixels that the decoder fears a bomb."""
    Image.new("RGB", (4, 3)).save(path, format="BMP")
    whole = bytearray(path.read_bytes())
    whole[18:26] = (40_000).to_bytes(4, "little") * 2
    path.write_bytes(whole)


@pytest.mark.parametrize("damage", [cut, empty, overwrite, cut_header, damage_chunk, claim_size])
def test_a_damaged_image_is_refused_by_name(path: Path, damage: Callable[[Path], None]) -> None:
    damage(path)

    with pytest.raises(
        InputError, match=r"^cannot read .*/rex\.png as an image: got .+; expected an image file$"
    ):
        image.read(path)


def test_a_file_that_would_start_another_program_is_no_image(path: Path) -> None:
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n")

    with pytest.raises(InputError, match="got no image"):
        image.read(path)


def test_what_is_no_file_is_refused_by_name(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")

    with pytest.raises(InputError, match=r"none\.png as an image: got No such file"):
        image.read(tmp_path / "none.png")
    with pytest.raises(InputError, match=r"pipe\.png as an image: got no regular file"):
        image.read(tmp_path / "pipe.png")
    with pytest.raises(InputError, match=r"as an image: got no regular file"):
        image.read(tmp_path)


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_half_a_file_is_told_to_be_cut_short(tmp_path: Path, kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole, half = io.BytesIO(), tmp_path / f"rex.{kind}"
    Image.fromarray(noise).save(whole, kind)
    half.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])

    with pytest.raises(
        InputError, match=rf"cannot read .*/rex\.{kind} as an image: got cut short: copy it again "
    ):
        image.read(half)
