"""From camera bytes to the backbone's input."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing, channel_statistics
from calexnet.images.resizing import Resize

RAW = Preprocessing(height=2, width=3, mean=(0.5, 0.25), std=(0.5, 0.125))
FLOAT = Preprocessing(height=2, width=3, mean=(0.5, 0.25), std=(0.5, 0.125), input="float")


def test_shapes_are_those_of_the_chosen_input() -> None:
    assert 2 == RAW.channels
    assert (2, 3, 2) == RAW.image_shape == RAW.batch_shape()
    assert (2, 2, 3) == FLOAT.batch_shape()


@pytest.mark.parametrize("side", [0, -1, 2**16 + 1, 10**18, 2.0, True])
def test_sides_that_no_image_has_are_refused(side: Any) -> None:
    end = "cannot be used: got .*; expected a whole number from 1 to 65536$"
    with pytest.raises(InputError, match=f"^the images' height {end}"):
        replace(RAW, height=side)
    with pytest.raises(InputError, match=f"^the images' width {end}"):
        replace(RAW, width=side)
    assert replace(RAW, height=2**16, width=1).image_shape == (2**16, 1, 2)


def test_black_and_white_normalised_by_hand() -> None:
    images = np.array([[[[0, 0], [255, 255]]]], dtype=np.uint8)
    tiny = Preprocessing(height=1, width=2, mean=(0.5, 0.25), std=(0.5, 0.125))

    # (0 - 0.5) / 0.5, (1 - 0.5) / 0.5; (0 - 0.25) / 0.125, (1 - 0.25) / 0.125
    expected = [[[[-1.0, 1.0]], [[-2.0, 6.0]]]]
    np.testing.assert_allclose(tiny.normalise(images), expected, rtol=1e-6)


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(0, 3), *[st.integers(1, 3)] * 3)),
    st.lists(st.floats(0, 1), min_size=3, max_size=3),
    st.lists(st.floats(0.01, 1), min_size=3, max_size=3),
)
def test_normalising_is_the_plain_formula_channels_first(
    images: NDArray[np.uint8], mean: list[float], std: list[float]
) -> None:
    count, height, width, channels = images.shape
    means, stds = np.array(mean[:channels]), np.array(std[:channels])
    preprocessing = Preprocessing(height, width, tuple(means.tolist()), tuple(stds.tolist()))

    found = preprocessing.normalise(images)

    expected = np.moveaxis((images / 255 - means) / stds, -1, 1)
    assert np.float32 == found.dtype
    assert (count, channels, height, width) == found.shape
    rounding = 8 * float(np.finfo(np.float32).eps) / float(stds.min())
    np.testing.assert_allclose(found, expected, rtol=0, atol=rounding)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (
            (0.5,),
            (1.0, 1.0),
            r"^mean and std do not fit: got 1 and 2 numbers; expected one a channel each$",
        ),
        ((), (), r"^mean and std do not fit: got 0 and 0 numbers; expected one a channel each$"),
        ((0.5,), (0.0,), r"^std cannot be used: got \(0\.0,\); expected numbers over 0$"),
        ((0.5,), (-1.0,), r"^std cannot be used: got \(-1\.0,\); expected numbers over 0$"),
        ((0.5,), (float("nan"),), r"^std cannot be used: got \(nan,\); expected numbers over 0$"),
    ],
)
def test_statistics_that_cannot_normalise_are_refused(
    mean: tuple[float, ...], std: tuple[float, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        Preprocessing(2, 3, mean, std)


@pytest.mark.parametrize(
    ("preprocessing", "batch"),
    [
        (RAW, np.zeros((4, 2, 3, 2), np.uint8)),
        (RAW, np.zeros((0, 2, 3, 2), np.uint8)),
        (FLOAT, np.zeros((4, 2, 2, 3), np.float32)),
        (FLOAT, np.zeros((0, 2, 2, 3), np.float32)),
        (FLOAT, np.full((1, 2, 2, 3), np.inf, np.float32)),
    ],
)
def test_a_fitting_batch_is_taken_as_it_is(preprocessing: Preprocessing, batch: Any) -> None:
    taken = preprocessing.check(batch)

    assert batch.dtype == taken.dtype
    assert np.array_equal(batch, taken)


def test_a_strided_batch_is_made_contiguous() -> None:
    batch = np.arange(96, dtype=np.uint8).reshape(8, 2, 3, 2)[::2]

    taken = RAW.check(batch)

    assert taken.flags.c_contiguous
    assert np.array_equal(batch, taken)


@pytest.mark.parametrize(
    ("preprocessing", "batch", "got", "fix"),
    [
        (RAW, np.zeros((2, 3, 2), np.uint8), r"uint8 \(2, 3, 2\)", r"pass images\[None\]"),
        (RAW, np.zeros((1, 2, 2, 3), np.uint8), r"uint8 \(1, 2, 2, 3\)", "channels last"),
        (
            RAW,
            np.zeros((1, 5, 4, 2), np.uint8),
            r"uint8 \(1, 5, 4, 2\)",
            r"cascade\.resize\(images\)",
        ),
        (RAW, np.zeros((1, 2, 3, 2), np.float32), "float32", "Pass images as a camera"),
        (RAW, [[[[0, 0]] * 3] * 2], r"int64 \(1, 2, 3, 2\)", "Pass images as a camera"),
        (RAW, "text", "<U4", "Pass images as a camera"),
        (RAW, None, r"object \(\)", "cascade.resize"),
        (RAW, [[1, 2], [3]], "images of several sizes", r"Pass cascade\.resize\(images\)"),
        (RAW, np.zeros((5, 4, 2), np.uint8), r"uint8 \(5, 4, 2\)", r"cascade\.resize\(images\)"),
        (FLOAT, np.zeros((1, 4, 5, 2), np.uint8), "uint8", r"Pass cascade\.resize\(images\)"),
        (RAW, np.zeros((1, 2, 3, 2), complex), "complex128", "Pass images as a camera"),
        (FLOAT, np.zeros((2, 2, 3), np.float32), "float32", r"pass images\[None\]"),
        (FLOAT, np.zeros((1, 2, 3, 2), np.float32), "float32", "channels first"),
        (FLOAT, np.zeros((1, 2, 2, 3), np.float64), "float64", "Pass normalised images"),
        (FLOAT, np.zeros((1, 2, 2, 3), ">f4"), ">f4", "Pass normalised images"),
    ],
    ids=lambda value: "" if isinstance(value, (np.ndarray, Preprocessing, list)) else None,
)
def test_another_batch_is_refused_with_what_would_fit(
    preprocessing: Preprocessing, batch: object, got: str, fix: str
) -> None:
    wanted = {
        "uint8": r"uint8 \(n, 2, 3, 2\)",
        "float": r"float32 \(n, 2, 2, 3\)",
    }[preprocessing.input]

    with pytest.raises(
        InputError,
        match=rf"^the batch of images does not fit this cascade: got .*{got}.*; "
        rf"expected {wanted}\. .*{fix}.*\.$",
    ):
        preprocessing.check(batch)


def test_a_mask_is_not_dropped_in_silence() -> None:
    masked = np.ma.masked_equal(np.zeros((1, 2, 3, 2), np.uint8), 0)

    with pytest.raises(InputError, match=r"got a masked array\. Fill what is masked before this"):
        RAW.check(masked)


def test_images_of_any_sizes_become_one_batch_in_the_recorded_way() -> None:
    random = np.random.default_rng(0)
    images = [random.integers(0, 256, size, dtype=np.uint8) for size in ((7, 9, 2), (2, 3, 2))]
    cropping = Resize(2, 2, shorter=3)
    recorded = Preprocessing(2, 2, RAW.mean, RAW.std, resize=cropping)

    straight, cropped = RAW.resized(images), recorded.resized(images)

    assert np.array_equal([Resize(2, 3)(images[0]), images[1]], straight)
    assert np.array_equal([cropping(image) for image in images], cropped)
    assert np.array_equal(straight[:1], RAW.resized(images[0]))
    assert (0, 2, 3, 2) == RAW.resized([]).shape


def test_what_cannot_be_brought_to_size_is_refused() -> None:
    with pytest.raises(InputError, match=r"^an image does not fit this cascade: got 3 channels; e"):
        RAW.resized([np.zeros((5, 5, 3), np.uint8)])
    with pytest.raises(InputError, match=r"^cannot resize what is no image: got uint8 \(5, 2\)"):
        RAW.resized([np.zeros((5, 2), np.uint8)])
    with pytest.raises(
        InputError, match=r"^images are brought to another size: got 4; expected 3x"
    ):
        Preprocessing(2, 3, RAW.mean, RAW.std, resize=Resize(4, 4))


def test_a_part_of_a_batch_says_where_it_begins() -> None:
    part = np.full((2, 2, 2, 3), np.nan, np.float32)

    with pytest.raises(InputError, match=r": got 2 of 2 images with NaN, from image 40 on; "):
        FLOAT.ready(part, 40)


def test_a_fitting_batch_is_not_copied() -> None:
    batch = np.zeros((8, 2, 3, 2), np.uint8)[::2]

    assert RAW.fitting(batch) is batch


def test_nan_is_refused_with_the_count_of_images_that_hold_it() -> None:
    batch = np.zeros((3, 2, 2, 3), np.float32)
    batch[0, 0, 0, :2] = batch[2, 1, 1, 1] = np.nan

    with pytest.raises(
        InputError,
        match=r"^the batch of images holds NaN: got 2 of 3 images with NaN; expected numbers\. "
        r"Check the preprocessing before this call\.$",
    ):
        FLOAT.check(batch)


def test_channel_statistics_are_those_of_the_chosen_images_alone() -> None:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (3000, 3, 2, 3), dtype=np.uint8)
    rows = np.flatnonzero(generator.random(3000) < 0.8)

    mean, std = channel_statistics(images, rows)

    pixels = images[rows].reshape(-1, 3) / 255
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-12)


def test_the_statistics_of_one_grey_level_are_that_level_without_spread() -> None:
    images = np.full((2, 4, 4, 1), 51, np.uint8)

    assert ((0.2,), (0.0,)) == channel_statistics(images, np.array([0, 1]))
