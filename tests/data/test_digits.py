"""scikit-learn's digits, enlarged."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.data import digits
from calexnet.errors import RuntimeUnavailableError

Image = pytest.importorskip("PIL.Image")


def test_the_digits_are_complete_coloured_bytes_with_positions_as_keys() -> None:
    datasets = pytest.importorskip("sklearn.datasets")

    data = digits.load()

    assert (1797, 32, 32, 3) == data.images.shape
    assert np.uint8 == data.images.dtype
    assert (0, 255) == (data.images.min(), data.images.max())
    assert np.array_equal(data.images[..., 0], data.images[..., 2])
    assert tuple("0123456789") == data.classes
    assert tuple(map(str, range(1797))) == data.keys
    assert np.array_equal(datasets.load_digits().target, data.labels)


def test_the_digits_keep_their_brightness() -> None:
    datasets = pytest.importorskip("sklearn.datasets")

    original = datasets.load_digits().images / 16 * 255

    enlarged = digits.load().images[..., 0].mean((1, 2))
    assert np.abs(original.mean((1, 2)) - enlarged).max() < 1


def test_without_scikit_learn_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sklearn", "sklearn.datasets"):
        monkeypatch.setitem(sys.modules, name, None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^the digits come with scikit-learn, which is not installed\. Run: pip install "
        r"'calexnet\[train\]'; or on a machine that has it: calexnet data digits --out "
        r"digits\.npz, and give that file here\.$",
    ):
        digits.load()


def test_enlarging_two_pixels_to_four_keeps_the_centres() -> None:
    """The new centres lie at -1/4, 1/4, 3/4 and 5/4 of the old ones; outside, the edge counts."""
    row = np.array([0.0, 0.25, 0.75, 1.0])

    enlarged = digits.enlarge(np.array([[[0.0, 1.0], [2.0, 3.0]]]), 4)

    assert [[(row + 2 * down).tolist() for down in row]] == enlarged.tolist()


@given(hnp.arrays(np.float32, (2, 3, 5), elements=st.floats(0, 1, width=32)), st.integers(5, 17))
def test_enlarging_is_bilinear_as_pillow_does_it(images: NDArray[np.float32], size: int) -> None:
    enlarged = digits.enlarge(images, size)

    for expected, found in zip(images, enlarged, strict=True):
        resized = Image.fromarray(expected).resize((size, size), Image.Resampling.BILINEAR)
        np.testing.assert_allclose(found, np.asarray(resized), atol=1e-5)


def test_the_same_size_changes_nothing() -> None:
    images = np.arange(9.0).reshape(1, 3, 3)

    assert np.array_equal(images, digits.enlarge(images, 3))
