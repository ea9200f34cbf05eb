"""What an app has at hand becomes a batch, or is refused."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.errors import InputError
from calexnet.images.given import as_batch
from calexnet.images.preprocessing import Preprocessing
from calexnet.images.resizing import Resize

STATISTICS = ((0.5,) * 3, (0.25,) * 3)
PLAIN = Preprocessing(4, 4, *STATISTICS)
CROPPED = Preprocessing(4, 4, *STATISTICS, resize=Resize(4, 4, shorter=6))
FLOAT = Preprocessing(4, 4, *STATISTICS, input="float", resize=Resize(4, 4))
RANDOM = np.random.default_rng(0)


def photo(height: int, width: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (height, width, 3), np.uint8)


def test_a_batch_that_fits_is_given_back_and_one_image_is_a_batch_of_one() -> None:
    batch = np.stack([photo(4, 4), photo(4, 4)])

    assert as_batch(batch, CROPPED) is batch
    assert np.array_equal(batch[:1], as_batch(batch[0], CROPPED))
    assert np.array_equal(batch, as_batch(list(batch), PLAIN))
    normalised = FLOAT.normalise(batch)
    assert np.array_equal(normalised[:1], as_batch(normalised[0], FLOAT))


def test_other_sizes_come_to_size_in_the_recorded_way() -> None:
    one, other = photo(9, 12), photo(7, 5)
    same = np.stack([photo(8, 8), photo(8, 8)])

    assert np.array_equal(CROPPED.resized([one]), as_batch(one, CROPPED))
    assert np.array_equal(CROPPED.resized([one, other]), as_batch([one, other], CROPPED))
    assert np.array_equal(CROPPED.resized(same), as_batch(same, CROPPED))


def test_pictures_of_pillow_are_turned_and_brought_to_size_even_at_the_right_size() -> None:
    image = pytest.importorskip("PIL.Image")
    pixels, small = photo(9, 12), photo(4, 4)
    lying = image.fromarray(pixels)
    lying.getexif()[0x0112] = 3  # upside down

    assert np.array_equal(CROPPED.resized([pixels[::-1, ::-1]]), as_batch(lying, CROPPED))
    assert np.array_equal(CROPPED.resized([small]), as_batch(image.fromarray(small), CROPPED))
    assert np.array_equal(small[None], as_batch(image.fromarray(small), PLAIN))
    mixed = as_batch([lying, pixels], CROPPED)
    assert np.array_equal(CROPPED.resized([pixels[::-1, ::-1], pixels]), mixed)
    grey = Preprocessing(4, 4, (0.5,), (0.25,))
    assert np.array_equal(small[None, ..., :1], as_batch(image.fromarray(small[..., 0]), grey))


@pytest.mark.parametrize(
    ("wanted", "images", "got"),
    [
        (PLAIN, photo(5, 4), r"uint8 \(5, 4, 3\)"),
        (PLAIN, [photo(5, 4), photo(4, 4)], "images of several sizes"),
        (CROPPED, photo(5, 4)[..., :2], r"uint8 \(5, 4, 2\)"),
        (CROPPED, photo(5, 4).astype(np.float32), r"float32 \(5, 4, 3\)"),
        (FLOAT, photo(5, 4), r"uint8 \(5, 4, 3\)"),
        (CROPPED, [], r"float64 \(0,\)"),
    ],
)
def test_what_no_recorded_way_brings_to_size_is_refused(
    wanted: Preprocessing, images: object, got: str
) -> None:
    with pytest.raises(InputError, match=f"does not fit this cascade: got {got}; expected"):
        as_batch(images, wanted)


def test_a_picture_of_another_size_without_a_record_is_refused() -> None:
    image = pytest.importorskip("PIL.Image")

    with pytest.raises(InputError, match=r"got uint8 \(1, 5, 4, 3\).*Pass cascade\.resize"):
        as_batch(image.fromarray(photo(5, 4)), PLAIN)
