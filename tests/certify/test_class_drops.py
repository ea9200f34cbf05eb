"""The worst class, its interval, and balanced accuracy."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.certify import Counts, lower_bound, upper_bound
from calexnet.certify.class_drops import balanced_accuracy, class_counts, is_skewed, worst_class

#: 90 images of class 0, ten of class 2; none of class 1.
TRUTH = np.array([0] * 90 + [2] * 10)
PLAIN = np.ones(100, dtype=np.bool_)
#: Loses one of the many and six of the few: 7 points in the mean.
OURS = np.array([False] + [True] * 89 + [False] * 6 + [True] * 4)


def test_the_ruined_class_is_found_though_the_mean_hides_it() -> None:
    found = worst_class(PLAIN, OURS, TRUTH)
    assert (found.label, found.counts) == (2, Counts(images=10, harmed=6, helped=0))
    assert found.counts.drop == pytest.approx(0.6)
    assert found.low < 0.6 < found.high


def test_the_interval_is_shared_between_the_classes_and_both_sides() -> None:
    """Two classes and two sides: 5 % / 4 each."""
    found = worst_class(PLAIN, OURS, TRUTH)
    assert found.high == upper_bound(found.counts, 0.05 / 4)
    assert found.low == lower_bound(found.counts, 0.05 / 4)


def test_a_class_without_images_is_left_out() -> None:
    each = class_counts(PLAIN, OURS, TRUTH)
    assert each == ((0, Counts(90, 1, 0)), (2, Counts(10, 6, 0)))


def test_among_equals_the_larger_class_is_the_worst() -> None:
    assert worst_class(PLAIN, PLAIN, TRUTH).label == 0


def test_balanced_accuracy_by_hand() -> None:
    """Classes at 89 / 90 and 4 / 10."""
    assert balanced_accuracy(OURS, TRUTH) == pytest.approx((89 / 90 + 0.4) / 2)


@pytest.mark.parametrize(("sizes", "skewed"), [((10, 19), False), ((10, 20), True), ((7,), False)])
def test_a_set_is_skewed_from_twice_the_images_on(sizes: tuple[int, ...], skewed: bool) -> None:
    truth = np.repeat(np.arange(len(sizes)), sizes)
    assert is_skewed(truth) == skewed


@pytest.mark.slow
def test_the_interval_of_the_worst_class_holds_in_simulation() -> None:
    """20 classes of 60 images, each harmed by 10 % and helped by 2; the worst one is picked."""
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(20), 60)
    held = 0
    for _ in range(60):
        chance = rng.random(1200)
        reference, ours = chance > 0.05, (chance > 0.15) | (chance < 0.02)
        found = worst_class(reference, ours, truth)
        held += found.low <= 0.08 <= found.high
    assert held >= 55
