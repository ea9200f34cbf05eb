"""Intervals for what a benchmark says. Numpy only; all intervals are 95 %.

A machine's speed swings, and slowly: blocks that follow each other are alike, and forty of them may
tell no more than ten independent ones. So every interval from blocks is a bootstrap over blocks,
widened by `widening`: the long-run variance of a first-order autoregression, and Student's t for
the blocks that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import Verdict

Floats = NDArray[np.float64]

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
_RESAMPLES = 1000
#: Student's 97.5 % point by degrees of freedom; between these it is nearly linear in 1 / freedom.
_STUDENT = ((1, 12.706), (2, 4.303), (3, 3.182), (4, 2.776), (6, 2.447), (10, 2.228), (30, 2.042))
#: Fewest blocks that an interval can be made of.
MIN_BLOCKS = 2


@dataclass(frozen=True)
class Comparison:
    """Two costs measured in the same blocks, and their ratio; `ratio.value` = `ours` / `plain`."""

    plain: float
    ours: float
    ratio: Interval

    @property
    def verdict(self) -> Verdict:
        """Who costs less, ``unclear`` if the interval of the ratio holds 1."""
        return verdict(self.ratio)


def verdict(ratio: Interval) -> Verdict:
    """Return who costs less by cascade over plain, ``unclear`` if the interval holds 1."""
    if ratio.high < 1.0:
        return "cascade"
    return "plain" if ratio.low > 1.0 else "unclear"


def compare(plain: Floats, ours: Floats, seed: int) -> Comparison:
    """Return the ratio of two costs: the median of their ratios in the same block.

    Each block's figure is a mean over its images, so that no exit is clipped; the median is over
    blocks, so that a hiccup of the machine does not decide. `plain` is its own median, and `ours`
    stands at the ratio to it.

    Args:
        plain: Cost an image in each block, over 0.
        ours: Likewise, block by block.
        seed: Of the resampling.
    """
    ratio = exponential(median(np.log(ours / plain), seed))
    usual = float(np.median(plain))
    return Comparison(usual, usual * ratio.value, ratio)


def typical(costs: Floats, seed: int) -> Interval:
    """Return the median over blocks with its interval; costs over 0 stay over 0."""
    if (costs > 0).all():
        return exponential(median(np.log(costs), seed))
    return median(costs, seed)


def median(series: Floats, seed: int) -> Interval:
    """Return the median of a series in time, with its interval."""
    return widened(
        float(np.median(series)),
        np.median(series[resampled(len(series), seed)], axis=1),
        widening(series),
    )


def logarithm(found: Interval) -> Interval:
    """Return the interval of the logarithm; all of it over 0."""
    return Interval(*(float(np.log(x)) for x in (found.value, found.low, found.high)))


def exponential(logarithm: Interval) -> Interval:
    """Return the interval of what `logarithm` is the logarithm of."""
    return Interval(*(float(np.exp(x)) for x in (logarithm.value, logarithm.low, logarithm.high)))


def widened(value: float, draws: Floats, factor: float) -> Interval:
    """Return the interval of bootstrap `draws` around `value`, each side times `factor`."""
    (low,), (high,) = widened_each(np.array([value]), draws[None], factor)
    return Interval(value, float(low), float(high))


def widened_each(values: Floats, draws: Floats, factor: float) -> tuple[Floats, Floats]:
    """Return the same for many figures at once: lower ends and upper ends.

    Args:
        values: float64 ``(figures,)``.
        draws: float64 ``(figures, draws)``.
        factor: Of each side.
    """
    low, high = np.quantile(draws, (0.025, 0.975), axis=1)
    below, above = np.maximum(0.0, values - low), np.maximum(0.0, high - values)
    return values - factor * below, values + factor * above


def log_widened(value: float, draws: Floats, factor: float) -> Interval:
    """Return `widened` in logarithms, so that no end is under 0; all of it is over 0."""
    return exponential(widened(float(np.log(value)), np.log(draws), factor))


def widening(series: Floats) -> float:
    """Return the factor by which a bootstrap over the blocks of `series` is too narrow.

    With ``m`` effective blocks of ``n``: t(m - 1) / z times sqrt(n / (m - 1)). The second factor is
    that of a mean's standard error when both its variance and the sample's are of a first-order
    autoregression. Derived, and held by simulation (tests/bench/model/test_statistics.py).
    """
    count = len(series)
    effective = effective_blocks(series)
    return student(effective - 1) / _Z * float(np.sqrt(count / (effective - 1)))


def effective_blocks(series: Floats) -> float:
    """Return how many independent blocks tell as much of the mean as those of `series` do.

    n / (1 + 2 sum_k (1 - k / n) r^k) with the lag-one autocorrelation r, which a short series shows
    too small by (1 + 3 r) / n (Kendall 1954; Marriott and Pope 1954). At least 2; a negative r is
    taken as 0.
    """
    count = len(series)
    away = series - series.mean()
    power = float(away @ away)
    if count <= MIN_BLOCKS or power <= 1e-24 * max(1.0, float(series @ series)):
        return float(count)
    seen = float(away[1:] @ away[:-1]) / power
    r = min(max(seen + (1 + 3 * seen) / count, 0.0), 0.99)
    if seen <= 0:
        r = 0.0
    lags = np.arange(1, count)
    spread = 1 + 2 * float(((1 - lags / count) * r**lags).sum())
    return max(float(MIN_BLOCKS), count / spread)


def student(freedom: float) -> float:
    """Return Student's 97.5 % point; exact to a percent, also between whole degrees."""
    known, points = zip(*_STUDENT, strict=True)
    inverse = [0.0, *(1 / f for f in reversed(known))]
    return float(np.interp(1 / max(freedom, 1.0), inverse, [_Z, *reversed(points)]))


def widened_for(found: Interval, among: int) -> Interval:
    """Return the interval that `among` of its kind hold together as surely as one alone does.

    Bonferroni's, in logarithms: each misses with 5 % / `among`. All of it over 0.
    """
    factor = NormalDist().inv_cdf(1 - 0.025 / among) / _Z
    inner = logarithm(found)
    below, above = inner.value - inner.low, inner.high - inner.value
    return exponential(
        Interval(inner.value, inner.value - factor * below, inner.value + factor * above)
    )


def in_quadrature(value: float, parts: Sequence[Interval]) -> Interval:
    """Return the interval around `value` of errors that do not know of each other."""
    below = float(np.sqrt(sum((part.value - part.low) ** 2 for part in parts)))
    above = float(np.sqrt(sum((part.high - part.value) ** 2 for part in parts)))
    return Interval(value, value - below, value + above)


def in_log_quadrature(value: float, parts: Sequence[Interval]) -> Interval:
    """Return the same for factors around a figure over 0, added in logarithms: no end is under 0.

    Where a clock too coarse left an end at 0, the widest of the parts.
    """
    if min(part.low for part in parts) <= 0:
        return Interval(value, min(p.low for p in parts), max(p.high for p in parts))
    found = exponential(in_quadrature(np.log(value), [logarithm(part) for part in parts]))
    return Interval(value, min(value, found.low), max(value, found.high))


def product(a: Interval, b: Interval) -> Interval:
    """Return the product of two figures whose errors do not know of each other."""
    value = a.value * b.value
    parts = (a.times(b.value), Interval(value, a.value * b.low, a.value * b.high))
    return in_quadrature(value, parts)


def share(hits: int, count: int) -> Interval:
    """Return a share with Wilson's interval (Wilson 1927)."""
    if count == 0:
        return Interval(0.0, 0.0, 1.0)
    p = hits / count
    return Interval(p, *_wilson(p, count, _Z))


def wilson(p: float, variance: float, z: float) -> tuple[float, float]:
    """Return the ends of Wilson's interval of a share of so much variance; `z` standard errors."""
    return _wilson(p, p * (1 - p) / variance, z) if variance > 0 else (p, p)


def _wilson(p: float, count: float, z: float) -> tuple[float, float]:
    centre = (p + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(p * (1 - p) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def paired_change(plain_right: NDArray[np.bool_], ours_right: NDArray[np.bool_]) -> Interval:
    """Return the change in accuracy on the same images, ours minus plain.

    The interval is Agresti and Min's adjusted Wald (2005, with half an observation added to each of
    the four cells): it stays honest when few images or none are judged differently.
    """
    count = len(plain_right)
    lost = float((plain_right & ~ours_right).sum())
    won = float((~plain_right & ours_right).sum())
    b, c, n = lost + 0.5, won + 0.5, count + 2.0
    centre = (c - b) / n
    half = _Z * np.sqrt(max(b + c - (c - b) ** 2 / n, 0.0)) / n
    low, high = max(-1.0, float(centre - half)), min(1.0, float(centre + half))
    return Interval((won - lost) / count, low, high)


def resampled(count: int, seed: int, draws: int = _RESAMPLES) -> NDArray[np.intp]:
    """Return rows of blocks drawn with replacement: ``(draws, count)``."""
    return np.random.default_rng(seed).integers(0, count, (draws, count))
