"""What a mean hides: the class that loses most, and accuracy where classes are of unequal size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.certify import CONFIDENCE, Counts, betting, counts, lower_bound, upper_bound

Right = NDArray[np.bool_]

#: From how many times the smallest class's images on the largest one's make a set skewed.
_SKEWED = 2.0


@dataclass(frozen=True)
class ClassDrop:
    """What one class loses.

    Attributes:
        label: The class.
        counts: Of its images alone.
        drop: A share of its images, or the mean over its groups.
        low: What it loses at least, a share of its images; negative is a gain.
        high: What it loses at most. Both hold at once for all classes, so for the worst one too.
    """

    label: int
    counts: Counts
    drop: float
    low: float
    high: float


def class_counts(
    reference: Right, other: Right, truth: NDArray[np.integer]
) -> tuple[tuple[int, Counts], ...]:
    """Return every class that has images, with what two networks answered to them.

    Args:
        reference: Which images the reference answers rightly, bool ``(n,)``.
        other: Likewise of the other network.
        truth: The right classes, integer ``(n,)``.
    """
    return tuple(
        (int(label), counts(reference[truth == label], other[truth == label]))
        for label in np.unique(truth)
    )


def worst_class(
    reference: Right,
    other: Right,
    truth: NDArray[np.integer],
    alpha: float = 1 - CONFIDENCE,
    groups: Sequence[str] | None = None,
) -> ClassDrop:
    """Return the class with the largest share lost; among equals the one with most images.

    It was picked among all, so its interval shares `alpha` between as many (Bonferroni), half of it
    on each side, by the exact test that certificates come from.

    Args:
        reference: See `class_counts`; at least one image.
        other: Likewise.
        truth: Likewise.
        alpha: 1 - confidence.
        groups: The group of each image, where images belong together: then what a class loses is
            the mean over its groups, and its interval is by group too.
    """
    each = class_counts(reference, other, truth)
    side = alpha / 2 / len(each)
    if groups is not None:
        of = np.array(groups)
        drops = {
            label: betting.group_drops(reference[mine], other[mine], of[mine].tolist())
            for label, _ in each
            for mine in [truth == label]
        }
        label, found = max(each, key=lambda one: (float(drops[one[0]].mean()), one[1].images))
        mine = drops[label]
        ends = betting.lower_bound(mine, side), betting.upper_bound(mine, side)
        return ClassDrop(label, found, float(mine.mean()), *ends)
    label, found = max(each, key=lambda one: (one[1].drop, one[1].images))
    return ClassDrop(label, found, found.drop, lower_bound(found, side), upper_bound(found, side))


def balanced_accuracy(right: Right, truth: NDArray[np.integer]) -> float:
    """Return the mean of the classes' accuracies, however many images each has.

    Args:
        right: Which images are answered rightly, bool ``(n,)``.
        truth: The right classes, integer ``(n,)``.
    """
    return float(np.mean([right[truth == label].mean() for label in np.unique(truth)]))


def is_skewed(truth: NDArray[np.integer]) -> bool:
    """Return whether the largest class has at least twice the images of the smallest with any."""
    sizes = np.unique(truth, return_counts=True)[1]
    return bool(sizes.max() >= _SKEWED * sizes.min())
