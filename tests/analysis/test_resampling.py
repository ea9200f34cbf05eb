"""Intervals over images and seeds: worked by hand, and held against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.analysis import resampling

IMAGES, RUNS = 200, 400


def test_a_resample_draws_as_many_images_as_there_are() -> None:
    shares = np.concatenate(list(resampling.resamples(7, seed=1, draws=300)))

    assert (300, 7) == shares.shape
    np.testing.assert_allclose(1.0, shares.sum(1), rtol=1e-6)
    np.testing.assert_allclose(np.rint(shares * 7), shares * 7, atol=1e-5)
    # A multinomial count: mean 1, variance 1 - 1 / 7.
    assert pytest.approx(6 / 7, rel=0.1) == (shares * 7).var()


def test_what_is_compared_is_resampled_together() -> None:
    one, other = (list(resampling.resamples(5, seed=3, draws=4)) for _ in range(2))

    np.testing.assert_array_equal(one[0], other[0])
    assert not np.array_equal(one[0], next(resampling.resamples(5, seed=4, draws=4)))


def test_with_one_seed_the_interval_is_that_of_the_images() -> None:
    draws = np.arange(1001.0)[:, None]

    found = resampling.interval(np.array([500.0]), draws, seed=0)

    assert (500.0, 25.0, 975.0) == (found.value, found.low, found.high)


def test_without_noise_in_the_images_the_interval_is_students() -> None:
    values = np.array([1.0, 2.0, 3.0])
    draws = np.tile(values, (200_000, 1))

    found = resampling.interval(values, draws, seed=0)

    # s = 1, and Student's t has its 97.5 % point at 4.30265 for 2 degrees of freedom.
    half = 4.30265 / np.sqrt(3)
    assert pytest.approx((2 - half, 2 + half), rel=0.03) == (found.low, found.high)
    assert 2.0 == found.value


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("seed_spread", [0.0, 0.02, 0.06])
def test_the_interval_holds_the_truth(seeds: int, seed_spread: float) -> None:
    """Images are hard or easy for all seeds alike; seeds are lucky or not, on all images alike.

    With one seed the spread of seeds cannot be seen, and the interval is about that one training.
    """
    random = np.random.default_rng(0)
    held = 0
    for run in range(RUNS):
        luck = random.normal(0, seed_spread, seeds)
        chance = 0.6 + random.uniform(-0.25, 0.25, IMAGES)[:, None] + luck
        right = (random.uniform(0, 1, (IMAGES, 1)) < chance).astype(np.float32)
        shares = next(resampling.resamples(IMAGES, seed=run, draws=250))
        found = resampling.interval(
            right.mean(0).astype(np.float64), (shares @ right).astype(np.float64), seed=run
        )
        truth = 0.6 if seeds > 1 else 0.6 + luck[0]
        held += found.low <= truth <= found.high

    assert 0.9 <= held / RUNS <= 0.99
