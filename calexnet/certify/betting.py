"""A test of "loses at most so much" for groups of images: clips, patients, places.

Images of one group are alike, so the group is what is drawn anew, and the mean over groups of each
group's own drop is what is asked about. Nothing is known of how such drops are distributed but that
they lie in -1..1. A gambler who may not win if the drop is as large as the hypothesis says bets on
one group after the other; the more capital, the less is left of the hypothesis (Waudby-Smith and
Ramdas 2024, "Estimating means of bounded random variables by betting", with their predictable
plug-in bets; Ville's inequality). It holds for any number of groups.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Largest share of the capital that a bet may lose.
_STAKE = 0.9
#: Most groups that `groups_needed` speaks of.
_MOST_GROUPS = 100_000


def group_drops(
    reference: NDArray[np.bool_], other: NDArray[np.bool_], groups: Sequence[str]
) -> Floats:
    """Return every group's drop, in an order that follows from their names' hashes alone.

    Args:
        reference: Which images the reference answers rightly, bool ``(n,)``.
        other: Likewise of the other network.
        groups: The group of each.
    """
    lost = reference.astype(np.float64) - other
    names = sorted(set(groups), key=lambda name: hashlib.sha256(name.encode()).digest())
    place = {name: number for number, name in enumerate(names)}
    of = np.array([place[name] for name in groups])
    return np.asarray(np.bincount(of, lost) / np.bincount(of), dtype=np.float64)


def p_value(drops: Floats, max_drop: float, alpha: float) -> float:
    """Return a p-value of the hypothesis that the mean drop of groups is `max_drop` or more.

    Args:
        drops: Every group's, -1..1, in an order that does not come from them.
        max_drop: A share, over -1 and under 1.
        alpha: What the p-value is held against, for which the bets are made.
    """
    kept, least = (1 - drops) / 2, (1 - max_drop) / 2
    before = np.arange(1, len(drops) + 1)
    means = (0.5 + np.concatenate([[0.0], np.cumsum(kept)[:-1]])) / before
    squares = np.concatenate([[0.0], np.cumsum((kept - means) ** 2)[:-1]])
    spreads = (0.25 / len(drops) + squares) / before
    stakes = np.sqrt(2 * log(1 / alpha) / (len(drops) * np.maximum(spreads, 1e-12)))
    stakes = np.minimum(stakes, _STAKE / least)
    capital = np.cumsum(np.log1p(stakes * (kept - least)))
    return float(np.exp(-max(0.0, capital.max())))


def upper_bound(drops: Floats, alpha: float) -> float:
    """Return the smallest mean drop that `p_value` certifies, to a hundredth of a point; or 1."""
    low, high = -1.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        sure = p_value(drops, middle, alpha) <= alpha
        low, high = (low, middle) if sure else (middle, high)
    return high


def lower_bound(drops: Floats, alpha: float) -> float:
    """Return what the mean drop is at least, likewise; or -1."""
    return -upper_bound(-drops, alpha)


def groups_needed(drops: Floats, max_drop: float, alpha: float) -> int | None:
    """Return how many groups like these would certify `max_drop`, in whole sets of them.

    As `calexnet.certify.images_needed`, it is where certifying gets likely, no promise; ``None`` if
    no number of them would, up to a hundred thousand.
    """
    if len(drops) == 0 or drops.mean() >= max_drop:
        return None
    low, high = 0, 1
    while p_value(np.tile(drops, high), max_drop, alpha) > alpha:
        low, high = high, 2 * high
        if high * len(drops) > _MOST_GROUPS:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        sure = p_value(np.tile(drops, middle), max_drop, alpha) <= alpha
        low, high = (low, middle) if sure else (middle, high)
    return high * len(drops)
