"""Bringing images to size: Pillow's bilinear, to the last bit of each direction."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.images.resizing import Resize, halves_of, matrices, resize, resizing_macs

Image = pytest.importorskip("PIL.Image")

SIDES = st.integers(1, 70)


def by_pillow(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    picture = Image.fromarray(image)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR))


def across_then_down(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Return what Pillow makes of it one direction at a time: by itself it chooses the order."""
    return by_pillow(by_pillow(image, len(image), width), height, width)


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(st.tuples(SIDES, SIDES).flatmap(lambda size: hnp.arrays(np.uint8, (*size, 3))), SIDES, SIDES)
def test_any_image_is_what_pillow_makes_of_it(
    image: NDArray[np.uint8], height: int, width: int
) -> None:
    found = resize(image, height, width)

    np.testing.assert_array_equal(across_then_down(image, height, width), found)
    assert np.abs(by_pillow(image, height, width).astype(int) - found).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(224, 224), (97, 1), (1, 301), (700, 1000)])
def test_a_photo_is_what_pillow_makes_of_it(height: int, width: int) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (601, 803, 3), dtype=np.uint8)

    np.testing.assert_array_equal(
        across_then_down(photo, height, width), resize(photo, height, width)
    )


def test_four_pixels_become_two_by_hand() -> None:
    """Scale 2, reach 2: the first new centre lies at 1.0; it sees 0..2 at 3/4, 3/4, 1/4 of 7/4."""
    image = np.array([[[0], [70], [210], [7]]], np.uint8)

    # (0 * 3 + 70 * 3 + 210) / 7 = 60; (70 + 210 * 3 + 7 * 3) / 7 = 103
    assert [[[60], [103]]] == resize(image, 1, 2).tolist()


def test_two_pixels_become_four_by_hand() -> None:
    image = np.array([[[0], [100]]], np.uint8)

    # Centres at 0.25, 0.75, 1.25, 1.75 of two pixels whose own lie at 0.5 and 1.5.
    assert [[[0], [25], [75], [100]]] == resize(image, 1, 4).tolist()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("224", Resize(224, 224)),
        ("320x240", Resize(240, 320)),
        ("shorter:256,crop:224", Resize(224, 224, 256)),
    ],
)
def test_a_size_is_read_and_said_again(text: str, expected: Resize) -> None:
    assert expected == Resize.parse(text)
    assert text == expected.words()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0", r"^images cannot be brought to that size: got 0$"),
        ("12x0", r"^images cannot be brought to that size: got 12x0$"),
        ("shorter:100,crop:224", "got shorter:100,crop:224; expected a shorter side at least as"),
        ("big", r"^cannot read the size: got 'big'; expected N \| WxH \| shorter:N,crop:M$"),
        ("-3", "cannot read the size"),
        ("crop:3", "cannot read the size"),
        ("", "cannot read the size"),
    ],
)
def test_a_size_that_cannot_be_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Resize.parse(text)


@settings(max_examples=60, deadline=None)
@given(SIDES, SIDES, st.integers(1, 40), st.integers(0, 30))
def test_the_middle_is_cut_out_of_the_image_in_proportion(
    height: int, width: int, side: int, more: int
) -> None:
    """The sizes that torchvision documents: int(N * long / short), a middle at round(rest / 2)."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    shorter = side + more

    found = Resize(side, side, shorter)(image)

    tall, wide = (int(shorter * length / min(height, width)) for length in (height, width))
    whole = across_then_down(image, tall, wide)
    top, left = round((tall - side) / 2), round((wide - side) / 2)
    np.testing.assert_array_equal(whole[top : top + side, left : left + side], found)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 3)),
        np.zeros((0, 4, 3), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        "text",
    ],
)
def test_what_is_no_image_is_refused(image: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match=r"^cannot resize what is no image: got .*; expected uint"):
        Resize(2, 2)(image)


@settings(max_examples=60, deadline=None)
@given(
    extent=st.tuples(*[st.integers(1, 40)] * 2),
    size=st.tuples(*[st.integers(1, 40)] * 2),
    seed=st.integers(0, 99),
)
def test_two_products_with_bytes_after_each_are_the_same_resize(
    extent: tuple[int, int], size: tuple[int, int], seed: int
) -> None:
    """As graphs do it: in float32, what is behind the point added up by itself."""
    image = np.random.default_rng(seed).integers(0, 256, (*extent, 3), dtype=np.uint8)

    def along(pixels: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        coarse, fine = (pixels @ half for half in halves_of(matrix))
        whole = np.floor(coarse)
        rounded = np.clip(whole + np.floor(coarse - whole + np.float32(0.5) + fine), 0, 255)
        return np.asarray(rounded, np.float32)

    found = image.astype(np.float32).transpose(2, 0, 1)
    across, down = matrices(extent, size)
    found = found if across is None else along(found, across)
    found = found if down is None else along(found.swapaxes(1, 2), down).swapaxes(1, 2)

    np.testing.assert_array_equal(resize(image, *size), found.transpose(1, 2, 0))


def test_the_products_of_a_resize_are_counted() -> None:
    """8x8 to 6x4, 3 channels: 3 * 8 rows * 4 * 8, then 3 * 4 columns * 6 * 8; halves of each."""
    assert 2 * (3 * 8 * 4 * 8 + 3 * 4 * 6 * 8) == resizing_macs((8, 8, 3), (6, 4, 3))
    assert 0 == resizing_macs((8, 8, 3), (8, 8, 3))
