"""Accuracy image by image and group by group, and the class that loses most: by hand."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet import certify
from calexnet.bench.model.accuracy import Marks
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

    found = Marks(TRUTH, NAMES).worst_class(reference, ours)

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
    found = [Marks(truth, names).worst_class(reference, ~lost).drop for lost in next(drawn)]

    assert np.mean([one.value for one in found]) > 0.15
    assert np.mean([one.low <= 0.1 <= one.high for one in found]) >= 0.95


#: A clip of two frames, and nine of eleven each.
CLIPS = [*"aa", *np.repeat([*"bcdefghij"], 11).tolist()]
FRAMES = Marks(np.zeros(101, np.int64), ("cat",), CLIPS)


def test_every_clip_counts_once_in_accuracy_and_in_what_is_lost() -> None:
    """Both frames of the short clip are lost: two of 101 images, and one of ten clips."""
    right = np.ones(101, bool)
    right[:2] = False

    share, change = FRAMES.share(right), FRAMES.change(np.ones(101, bool), right)

    assert share.value == pytest.approx(0.9)
    assert change.value == pytest.approx(-0.1)
    assert 0 <= share.low < 0.9 <= share.high <= 1
    assert change.low < -0.1 < change.high
    assert Marks(FRAMES.truth, ("cat",)).share(right).value == pytest.approx(99 / 101)


def test_the_worst_class_is_that_of_the_groups_mean() -> None:
    """One of ten dogs is lost, the only one of its clip; three of ten cats, all of one of five."""
    truth = np.repeat([0, 1], 10)
    groups = [*"aaaabbccde", *"vwwwwwwwww"]
    right = np.ones(20, bool)
    right[[0, 1, 2, 10]] = False

    found = Marks(truth, ("cat", "dog"), groups).worst_class(np.ones(20, bool), right)

    assert ("dog", 10) == (found.name, found.images)
    assert found.drop.value == pytest.approx(1 / 2)  # a cat's: 3/4 of one of five clips
    assert Marks(truth, ("cat", "dog")).worst_class(np.ones(20, bool), right).name == "cat"
