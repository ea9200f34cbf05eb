"""The average of networks, by hand and by its laws."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.errors import InputError
from calexnet.models.averaging import Average, average_of, softmax


def test_an_average_by_hand() -> None:
    """Logits 0 and ln 3 are 1/4 and 3/4; divided by 2 they are 1 and sqrt 3, over their sum."""
    one = np.array([[0.0, np.log(3)]], np.float32)
    other = np.array([[0.0, 0.0]], np.float32)

    found = Average((1.0, 2.0), (0.75, 0.25)).of([one, other])

    np.testing.assert_allclose([[0.75 * 0.25 + 0.25 * 0.5, 0.75 * 0.75 + 0.25 * 0.5]], found)
    wide = 1 + 3**0.5
    np.testing.assert_allclose([[1 / wide, 3**0.5 / wide]], softmax(one, 2.0), rtol=1e-6)


def test_a_network_that_is_too_sure_is_cooled_and_one_that_guesses_gets_no_weight() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 3, 3000)
    said = np.where(random.random(3000) < 0.8, truth, (truth + 1) % 3)
    good = 10 * np.eye(3, dtype=np.float32)[said]
    guessing = random.normal(0, 1, (3000, 3)).astype(np.float32)

    found = average_of([guessing, good], truth)

    assert (0.0, 1.0) == found.weights
    # 80 % right, the rest of two others: e^(10/T) = 0.8 / 0.1, so T = 10 / ln 8 = 4.81.
    assert 10 / np.log(8) == pytest.approx(found.temperatures[1], rel=0.05)


def test_two_that_err_apart_share_the_weight() -> None:
    random = np.random.default_rng(1)
    truth = random.integers(0, 3, 6000)
    tables = [
        3 * np.eye(3, dtype=np.float32)[truth] + random.normal(0, 2.5, (6000, 3)).astype(np.float32)
        for _ in range(2)
    ]

    found = average_of(tables, truth)

    assert 0.3 < found.weights[0] < 0.7
    assert max(np.mean(one.argmax(1) == truth) for one in tables) < np.mean(
        found.of(tables).argmax(1) == truth
    )


@pytest.mark.parametrize("numbers", [((1.0,), (0.5,)), ((0.0,), (1.0,)), ((1.0, 1.0), (1.0,))])
def test_what_is_no_average_is_refused(
    numbers: tuple[tuple[float, ...], tuple[float, ...]],
) -> None:
    with pytest.raises(InputError):
        Average(*numbers)
