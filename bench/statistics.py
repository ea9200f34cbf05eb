"""Intervals for what a benchmark says. Numpy only; all intervals are 95 %."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.results import Verdict

Floats = NDArray[np.float64]

_Z = 1.959963984540054  # the normal distribution's 97.5 % point
_RESAMPLES = 2000


@dataclass(frozen=True)
class Interval:
    """A figure and the 95 % interval around it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """Two costs measured in the same blocks, and their ratio; `ratio.value` = `ours` / `plain`."""

    plain: float
    ours: float
    ratio: Interval

    @property
    def verdict(self) -> Verdict:
        """Who costs less, ``unclear`` if the interval of the ratio holds 1."""
        if self.ratio.high < 1.0:
            return "cascade"
        return "plain" if self.ratio.low > 1.0 else "unclear"


def compare(plain: Floats, ours: Floats, seed: int) -> Comparison:
    """Return the ratio of the medians over blocks, with a paired bootstrap over blocks.

    Each block's figure is a mean over its images, so that no exit is clipped; the median is over
    blocks, so that a hiccup of the machine does not decide. A block's two figures come from the
    same images at nearly the same time and are resampled together.

    Args:
        plain: Cost an image in each block.
        ours: Likewise, block by block.
        seed: Of the resampling.
    """
    rows = _resampled(len(plain), seed)
    ratios = np.median(ours[rows], axis=1) / np.median(plain[rows], axis=1)
    low, high = np.quantile(ratios, (0.025, 0.975))
    typical_plain, typical_ours = float(np.median(plain)), float(np.median(ours))
    value = typical_ours / typical_plain
    interval = Interval(value, min(float(low), value), max(float(high), value))
    return Comparison(typical_plain, typical_ours, interval)


def typical(costs: Floats, seed: int) -> Interval:
    """Return the median over blocks with its bootstrap interval."""
    medians = np.median(costs[_resampled(len(costs), seed)], axis=1)
    low, high = np.quantile(medians, (0.025, 0.975))
    return Interval(float(np.median(costs)), float(low), float(high))


def share(hits: int, count: int) -> Interval:
    """Return a share with Wilson's interval (Wilson 1927)."""
    if count == 0:
        return Interval(0.0, 0.0, 1.0)
    p = hits / count
    centre = (p + _Z**2 / (2 * count)) / (1 + _Z**2 / count)
    half = _Z * np.sqrt(p * (1 - p) / count + _Z**2 / (4 * count**2)) / (1 + _Z**2 / count)
    return Interval(p, max(0.0, float(centre - half)), min(1.0, float(centre + half)))


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


def _resampled(count: int, seed: int) -> NDArray[np.intp]:
    return np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
