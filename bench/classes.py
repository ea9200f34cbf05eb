"""Class by class: a mean may hold while one class is ruined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calexnet import certify
from calexnet.bench.decision_records import ClassDrop
from calexnet.bench.interval import Interval
from calexnet.certify import CONFIDENCE, Counts


def balanced(truth: NDArray[np.int64], right: NDArray[np.bool_]) -> float:
    """Return the mean over the classes, those with images, of the accuracy on each.

    Args:
        truth: int64 ``(n,)``.
        right: Which images are answered rightly: bool ``(n,)``.
    """
    return float(np.mean([right[truth == one].mean() for one in np.unique(truth)]))


def worst_class(
    truth: NDArray[np.int64],
    reference: NDArray[np.bool_],
    right: NDArray[np.bool_],
    names: Sequence[str],
) -> ClassDrop:
    """Return the class that loses most against the reference.

    Its interval is exact, and as wide as it must be for all classes together (Bonferroni), since
    the worst of them was looked for.

    Args:
        truth: int64 ``(n,)``.
        reference: Which images the reference answers rightly: bool ``(n,)``.
        right: Which ones the other does.
        names: Of the classes.
    """
    found: dict[int, Counts] = {
        int(one): certify.counts(reference[truth == one], right[truth == one])
        for one in np.unique(truth)
    }
    place, worst = max(found.items(), key=lambda pair: pair[1].drop)
    alpha = (1 - CONFIDENCE) / 2 / len(found)
    ends = certify.lower_bound(worst, alpha), certify.upper_bound(worst, alpha)
    drop = Interval(worst.drop, min(ends[0], worst.drop), max(ends[1], worst.drop))
    return ClassDrop(names[place], worst.images, drop)
