"""How accuracy is told on the test part: image by image, or group by group.

Images of one group (a clip, a patient) are alike, so where they belong together the group is the
unit: every share and every drop is the mean over the groups of each group's own, with the interval
of bets on groups (`calexnet.certify.betting`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.model import statistics
from calexnet.bench.report.decision import ByGroup, ClassDrop
from calexnet.bench.report.interval import Interval
from calexnet.certify import CONFIDENCE, betting, class_drops

Right = NDArray[np.bool_]

#: Of each side of an interval.
_SIDE = (1 - CONFIDENCE) / 2


@dataclass(frozen=True)
class Marks:
    """What answers are held against.

    Attributes:
        truth: The right classes, int64 ``(n,)``.
        classes: Their names.
        groups: The group of each image; ``None`` = each by itself.
    """

    truth: NDArray[np.int64]
    classes: Sequence[str]
    groups: Sequence[str] | None = None

    def drops(self, reference: Right, right: Right) -> tuple[float, ...] | None:
        """Return what every group loses against the reference; ``None`` without groups.

        Args:
            reference: Which images the reference answers rightly: bool ``(n,)``.
            right: Which ones the other does.
        """
        if self.groups is None:
            return None
        return tuple(betting.group_drops(reference, right, self.groups).tolist())

    def share(self, right: Right) -> Interval:
        """Return the accuracy, with its interval."""
        lost = self.drops(np.ones_like(right), right)
        if lost is None:
            return statistics.share(int(right.sum()), len(right))
        change = _change(np.array(lost))
        low, high = (min(max(1 + end, 0.0), 1.0) for end in (change.low, change.high))
        return Interval(1 + change.value, low, high)

    def change(self, reference: Right, right: Right) -> Interval:
        """Return the change in accuracy against the reference, with its paired interval."""
        lost = self.drops(reference, right)
        if lost is None:
            return statistics.paired_change(reference, right)
        return _change(np.array(lost))

    def worst_class(self, reference: Right, right: Right) -> ClassDrop:
        """Return the class that loses most: a mean may hold while one class is ruined."""
        found = class_drops.worst_class(reference, right, self.truth, groups=self.groups)
        ends = min(found.low, found.drop), max(found.high, found.drop)
        return ClassDrop(
            self.classes[found.label], found.counts.images, Interval(found.drop, *ends)
        )

    def by_group(
        self, drops: tuple[float, ...] | None, max_drop: float, alpha: float
    ) -> ByGroup | None:
        """Return what the test by group says of these drops, whatever its place in a chain."""
        if drops is None:
            return None
        each = np.array(drops)
        return ByGroup(
            len(each),
            betting.p_value(each, max_drop, alpha),
            betting.upper_bound(each, alpha),
            betting.groups_needed(each, max_drop, alpha),
        )


def _change(drops: NDArray[np.float64]) -> Interval:
    return Interval(
        -float(drops.mean()),
        -betting.upper_bound(drops, _SIDE),
        -betting.lower_bound(drops, _SIDE),
    )
