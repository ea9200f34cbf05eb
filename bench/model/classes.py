"""The class that loses most, as a report holds it: a mean may hold while one class is ruined."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.report.decision import ClassDrop
from calexnet.bench.report.interval import Interval
from calexnet.certify import class_drops


def worst_class(
    truth: NDArray[np.int64],
    reference: NDArray[np.bool_],
    right: NDArray[np.bool_],
    names: Sequence[str],
) -> ClassDrop:
    """Return the class that loses most against the reference; see `calexnet.certify.class_drops`.

    Args:
        truth: int64 ``(n,)``.
        reference: Which images the reference answers rightly: bool ``(n,)``.
        right: Which ones the other does.
        names: Of the classes.
    """
    found = class_drops.worst_class(reference, right, truth)
    drop = found.counts.drop
    ends = min(found.low, drop), max(found.high, drop)
    return ClassDrop(names[found.label], found.counts.images, Interval(drop, *ends))
