"""An exact test of "loses at most so much" for two networks asked about the same images.

A one-sided non-inferiority test of paired proportions. Outcomes (harmed, helped) are ordered by the
upper limit of the drop that Tango's score statistic gives (Tango 1998, "Equivalence test and
confidence interval for the difference in proportions for the paired-sample design"). The p-value is
the probability of an outcome at least as good as the one seen, at its largest over the share of
helped images, which nobody knows (the unconditional exact test: Hsueh, Liu and Chen 2001; Sidik
2003). The order is the same for every drop that is tested (Buehler 1957), so a p-value falls as the
drop allowed grows, and a bound is what the test certifies. Numpy and the standard library are
enough.

The largest value is bounded from above, so that a p-value is never too small:

- Between two shares, the probability f of a set of outcomes is at most the larger of its two
  values plus ``h^2 / 8 max |f''|``. The second derivative of the likelihood over the likelihood is
  a sum over pairs of images of products of scores, so its variance is ``2 n (n - 1) I^2`` with I
  an image's Fisher information, and by Cauchy and Schwarz ``|f''| <= sqrt(f) sqrt(2 n (n - 1)) I``.
- At both ends, where I is infinite, fewer harmed and more helped images only add to f, for the
  limit rises with harmed and falls with helped images.
- Outcomes that are left out together have less probability than `_LEFT_OUT`, which is added.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, lgamma, pi, sqrt

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

#: Distance of two shares at which f is found, in standard errors; costs a p of 0.05 one percent.
_STEP = 0.11
#: Bound of rounding, and of the probability outside of the windows below by Bernstein's inequality.
_LEFT_OUT = 1e-9
#: Statistics that differ by less are equal: rounding must not part outcomes that are tied.
_TIED = 1e-9
#: Outcomes are ordered by their limits at so many times the standard errors of the confidence that
#: is asked for, since the score statistic promises too much of few images. Of 1 to 1.06, this is
#: where the test has most power at 200 to 5,000 images; it is as strong as an order of its own for
#: every drop, by which a bound and a test would contradict each other.
WIDER = 1.04


def score(harmed: Integers, helped: Integers, images: int, drop: float | Floats) -> Floats:
    """Return Tango's score statistic of outcomes: low speaks for a drop smaller than `drop`.

    Args:
        harmed: Images that only the reference answers rightly.
        helped: Images that only the other network answers rightly, of the same shape.
        images: All images.
        drop: True drop to hold against, a share over -1 and under 1.
    """
    apart = harmed + helped
    linear = (2 * images - harmed + helped) * drop - apart
    root = np.sqrt(np.maximum(linear**2 + 8 * images * helped * drop * (1 - drop), 0.0))
    # The likeliest share of helped images, given the drop; from the root that cancels nothing.
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(
            linear > 0,
            2 * helped * drop * (1 - drop) / (root + linear),
            (root - linear) / (4 * images),
        )
        variance = images * np.maximum(2 * share + drop * (1 - drop), 0.0)
        found = (harmed - helped - images * drop) / np.sqrt(variance)
    return np.asarray(np.where(variance > 0, found, 0.0), dtype=np.float64)


def score_limits(images: int, harmed: Integers, helped: Integers, alpha: float) -> Floats:
    """Return the score statistic's upper limits of the drop, by which outcomes are ordered.

    Args:
        images: All images.
        harmed: As `score` takes them.
        helped: Likewise.
        alpha: 1 - confidence of the limits.
    """
    low, high = np.full(harmed.shape, -1.0), np.full(harmed.shape, 1.0)
    for _ in range(44):  # to 1e-13
        middle = (low + high) / 2
        below = score(harmed, helped, images, middle) <= _low(alpha)
        low, high = np.where(below, low, middle), np.where(below, middle, high)
    return np.asarray(high, dtype=np.float64)


def p_value(images: int, harmed: int, helped: int, max_drop: float, alpha: float) -> float:
    """Return the p-value of the hypothesis that the true drop is `max_drop` or more, 0..1.

    Args:
        images: Asked of both networks, at least 1.
        harmed: Those that only the reference answers rightly.
        helped: Those that only the other network answers rightly.
        max_drop: A share over -1, at most 1; under 0 asks for a gain.
        alpha: What the p-value is held against: outcomes are in the order that suits it. Elsewhere
            it is still none too small, but larger than it need be.
    """
    limit = _limit(images, harmed, helped, alpha)
    return _at_most(images, limit, alpha).largest(max_drop)


def upper_bound(images: int, harmed: int, helped: int, alpha: float) -> float:
    """Return the smallest drop that the test certifies at `alpha`, -1..1, or a little more.

    The excess is about a fiftieth of a standard error, or a thousandth of a point.

    Args:
        images: As in `p_value`.
        harmed: Likewise.
        helped: Likewise.
        alpha: 1 - confidence.
    """
    limit = _limit(images, harmed, helped, alpha)
    region = _at_most(images, limit, alpha)
    error = sqrt((harmed + helped + 1) / images / images)
    low, high, guess, sought = -1.0, 1.0, limit, _probit(alpha)
    before: tuple[float, float] | None = None
    while high - low > 1e-5:
        p = region.largest(guess)
        low, high = (low, guess) if p <= alpha else (guess, high)
        away = _probit(p) - sought
        if -0.02 <= away <= 0:
            break
        if before is not None and before[1] != away:  # the last two tell the slope better
            error = (guess - before[0]) / (before[1] - away)
        before = guess, away
        guess += (away + 0.01) * error
        if not low < guess < high:
            guess = (low + high) / 2
    return high


def certified(images: int, max_drop: float, alpha: float) -> Outcomes:
    """Return every outcome with a p-value of at most `alpha`: the test, for many outcomes at once.

    To a millionth of the limits that outcomes are ordered by.
    """
    low, high = -1.0, 1.0
    while high - low > 1e-6:
        middle = (low + high) / 2
        sure = _at_most(images, middle, alpha).largest(max_drop) <= alpha
        low, high = (middle, high) if sure else (low, middle)
    return _at_most(images, low, alpha)


@dataclass(frozen=True)
class Outcomes:
    """A set of outcomes (harmed, helped): to each number of helped images, harmed ones to a limit.

    The probability of harmed images up to the limit, given how many are helped, is a binomial
    distribution's. From one number of helped images to the next it grows by single terms, which
    are all positive: those on the path along the limit.

    Attributes:
        images: All images.
        first: Fewest helped images with an outcome in the set.
        limits: Most harmed images, from `first` helped ones on.
        ends: For each of `limits`, how many terms of the path come before it.
        ways: Logarithm of the number of ways of each term.
        hits: Harmed images of each term.
        misses: Images neither harmed nor helped of each term.
        steps: Whether the term is a step to one more helped image.
    """

    images: int
    first: int
    limits: Integers
    ends: Integers
    ways: Floats
    hits: Integers
    misses: Integers
    steps: NDArray[np.bool_]

    def contains(self, harmed: Integers, helped: Integers) -> NDArray[np.bool_]:
        """Return which outcomes are in the set."""
        sure = np.arange(self.images - self.first - len(self.limits), -1, -1)
        most = np.concatenate([np.full(self.first, -1), self.limits, sure])
        return np.asarray(harmed <= most[helped], dtype=np.bool_)

    def largest(self, drop: float) -> float:
        """Return the set's probability at its largest over all truths of so large a drop."""
        if abs(drop) >= 1:  # every image is harmed, or every one helped
            return float(drop < 0 or self.first + len(self.limits) == 0)
        largest = (1 - abs(drop)) / 2
        cells = max(4, int(np.ceil(pi * sqrt(self.images) / _STEP)))
        more = largest * np.sin(np.linspace(0, pi / 2, cells + 1)) ** 2
        lost, won = max(0.0, drop) + more, max(0.0, -drop) + more
        pairs = zip(lost[1:-1], won[1:-1], strict=True)
        inner = np.array([self.probability(b, c) for b, c in pairs])
        ends = [self.probability(lost[i], won[i + 1]) for i in (0, cells - 1)]
        return min(1.0, _LEFT_OUT + max(*ends, _between(self.images, inner, lost, won)))

    def probability(self, lost: float, won: float) -> float:
        """Return the set's probability, given the shares of harmed and of helped images."""
        low, high = _window(self.images, won)
        sure = self.first + len(self.limits)  # from here on every outcome is in the set
        beyond = _binomial(self.images, won, max(low, sure), high).sum()
        low, high = max(low, self.first), min(high, sure - 1)
        if low > high:
            return float(beyond)
        rate = min(lost / (1 - won), 1.0)
        given = self._given(low - self.first, high - self.first + 1, rate)
        return float(beyond + _binomial(self.images, won, low, high) @ given)

    def _given(self, start: int, stop: int, rate: float) -> Floats:
        """Return the probability of at most `limits` harmed images, for each from start to stop."""
        here = slice(self.ends[start], self.ends[stop - 1])
        hit, miss = _logarithms(rate)
        terms = np.exp(self.ways[here] + self.hits[here] * hit + self.misses[here] * miss)
        terms[self.steps[here]] *= rate
        grown = np.concatenate([[0.0], np.cumsum(terms)])[self.ends[start:stop] - self.ends[start]]
        asked = self.images - self.first - start
        low, _ = _window(asked, rate)
        at_first = _binomial(asked, rate, low, int(self.limits[start])).sum()
        return np.asarray(np.minimum(at_first + grown, 1.0))


def _between(images: int, inner: Floats, lost: Floats, won: Floats) -> float:
    """Return the bound of f over the inner cells, from its values at their ends."""
    wide = np.diff(lost[1:-1])
    none = 1 - lost[2:-1] - won[2:-1]
    information = 1 / lost[1:-2] + 1 / won[1:-2] + 4 / none
    bend = wide**2 / 8 * sqrt(2 * images * max(images - 1, 1)) * information
    larger = np.maximum(inner[1:], inner[:-1])
    return float(((bend / 2 + np.sqrt(bend**2 / 4 + larger)) ** 2).max())


def _at_most(images: int, limit: float, alpha: float) -> Outcomes:
    """Return the outcomes whose `score_limit` is at most `limit`: with a low statistic there."""
    helped = np.arange(images + 1)
    low, high = np.full(images + 1, -1), images - helped
    if limit >= 1:
        low = high
    while (low < high).any():
        middle = (low + high + 1) // 2
        within = score(middle, helped, images, limit) <= _low(alpha) + _TIED
        low, high = np.where(within, middle, low), np.where(within, high, middle - 1)
    some = np.flatnonzero((low >= 0) & (low < images - helped))
    sure = np.flatnonzero(low == images - helped)
    stop = int(sure[0]) if len(sure) else images + 1
    first = min(int(some[0]), stop) if len(some) else stop
    return _along(images, first, low[first:stop])


def _along(images: int, first: int, limits: Integers) -> Outcomes:
    """Return the set with the terms of the path along its limits."""
    lengths = 1 + np.diff(limits)
    ends = np.concatenate([[0], np.cumsum(lengths)])[: len(limits)]
    place = np.arange(int(lengths.sum())) - np.repeat(ends[:-1], lengths)
    hits = np.repeat(limits[:-1], lengths) + place
    asked = np.repeat(images - first - 1 - np.arange(len(lengths)), lengths)
    ways = _factorials(images)
    return Outcomes(
        images=images,
        first=first,
        limits=limits,
        ends=ends,
        ways=ways[asked] - ways[hits] - ways[asked - hits],
        hits=hits,
        misses=asked - hits,
        steps=place == 0,
    )


def quantile(share: float) -> float:
    """Return the standard normal number that this share of all lies below, 0 < share < 1."""
    from statistics import NormalDist  # an import that whoever loads a bundle is spared

    return NormalDist().inv_cdf(share)


def _low(alpha: float) -> float:
    """Return the score statistic at which an outcome's limit lies."""
    return WIDER * quantile(alpha)


def _limit(images: int, harmed: int, helped: int, alpha: float) -> float:
    return float(score_limits(images, np.array([harmed]), np.array([helped]), alpha)[0])


def _probit(share: float) -> float:
    return quantile(min(max(share, 1e-6), 1 - 1e-6))


def _window(count: int, share: float) -> tuple[int, int]:
    """Return the successes of a binomial distribution that leave out less than 1e-10."""
    half = 7 * sqrt(count * share * max(1 - share, 0.0)) + 25
    return max(0, int(count * share - half)), min(count, int(count * share + half) + 1)


def _binomial(count: int, share: float, low: int, high: int) -> Floats:
    """Return the probabilities of `low` to `high` successes; empty if that is nothing."""
    if low > high:
        return np.zeros(0)
    hits = np.arange(low, high + 1)
    ways, (hit, miss) = _factorials(count), _logarithms(share)
    chances = ways[count] - ways[hits] - ways[count - hits] + hits * hit + (count - hits) * miss
    return np.asarray(np.exp(chances))


def _logarithms(share: float) -> tuple[float, float]:
    """Return the logarithms of a share and of the rest; of nearly nothing instead of nothing."""
    nothing = exp(-700)
    return float(np.log(max(share, nothing))), float(np.log(max(1 - share, nothing)))


def _factorials(most: int) -> Floats:
    """Return the logarithms of the factorials of 0 to `most`, or further."""
    return _table(most.bit_length())


@lru_cache(maxsize=8)
def _table(bits: int) -> Floats:
    """Return them for all numbers of so many bits: one table for all that are about as large."""
    return np.array([lgamma(number + 1) for number in range(1 << bits)])
