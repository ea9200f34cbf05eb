"""The class that loses most, by hand."""

from __future__ import annotations

import numpy as np

from calexnet import certify
from calexnet.bench.model.classes import worst_class
from calexnet.certify import Counts

#: 60 cats, 30 dogs, 10 owls.
TRUTH = np.repeat([0, 1, 2], [60, 30, 10])
NAMES = ("cat", "dog", "owl", "never seen")


def wrong(*places: int) -> np.ndarray:
    right = np.ones(100, bool)
    right[list(places)] = False
    return right


def test_a_class_that_is_ruined_shows_though_the_mean_holds() -> None:
    """Five cats gained and four of ten owls lost: the mean gains a point."""
    reference, ours = wrong(0, 1, 2, 3, 4), wrong(90, 91, 92, 93)

    found = worst_class(TRUTH, reference, ours, NAMES)

    assert ours.mean() > reference.mean()
    assert ("owl", 10, 0.4) == (found.name, found.images, found.drop.value)
    low, high = (
        end(Counts(10, 4, 0), 0.05 / 2 / 3) for end in (certify.lower_bound, certify.upper_bound)
    )
    assert (low, high) == (found.drop.low, found.drop.high)
    assert low < 0.4 < high


def test_the_interval_of_the_worst_holds_the_truth_though_it_was_looked_for() -> None:
    """Ten classes of 40 images, each losing a tenth: the worst of them looks far worse."""
    rng = np.random.default_rng(0)
    truth, names = np.repeat(np.arange(10), 40), [*"abcdefghij"]
    reference = np.ones(400, bool)
    drawn = (rng.random((300, 400)) < 0.1 for _ in range(1))
    found = [worst_class(truth, reference, ~lost, names).drop for lost in next(drawn)]

    assert np.mean([one.value for one in found]) > 0.15
    assert np.mean([one.low <= 0.1 <= one.high for one in found]) >= 0.95
