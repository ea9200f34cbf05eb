"""Intervals for figures that rest on some test images and a few training seeds.

Images are resampled (a bootstrap, the same resample for everything that is compared, so that
comparisons are paired). Seeds are too few to resample: three give ten distinct means. They enter by
Student's t instead, with one degree of freedom less than seeds::

    draw_b = mean over seeds of the figure on resample b  +  s / sqrt(S) * t_b,   t_b ~ t(S - 1)

with `s` the standard deviation of the figure over the `S` seeds on all images. The interval is the
central 95 % of the draws. It is somewhat wide, since `s` holds a little of the images' noise too.
With one seed there is no spread to see, and the interval is about images alone. This combination is
ours, not the paper's; a simulation in the tests holds its coverage.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.report.interval import Interval

Floats = NDArray[np.float64]

RESAMPLES = 2000
_AT_ONCE = 250
_ENDS = (0.025, 0.975)


def resamples(count: int, seed: int, draws: int = RESAMPLES) -> Iterator[NDArray[np.float32]]:
    """Yield how often each of `count` images is drawn: float32 ``(some, count)``, rows sum to 1.

    The same `count` and `seed` give the same resamples: what is compared is resampled together.
    """
    generator = np.random.default_rng(seed)
    for start in range(0, draws, _AT_ONCE):
        rows = min(_AT_ONCE, draws - start)
        drawn = generator.integers(0, count, (rows, count))
        drawn += np.arange(rows)[:, None] * count
        shares = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count) / count
        yield shares.astype(np.float32)


def interval(values: Floats, draws: Floats, seed: int) -> Interval:
    """Return the mean over seeds with its 95 % interval.

    Args:
        values: The figure for each seed, ``(S,)``, on all images.
        draws: The same on resampled images, ``(draws, S)``; a row is one resample for all seeds.
        seed: Of the draws from Student's t.
    """
    spread = draws.mean(1)
    if len(values) > 1:
        generator = np.random.default_rng(seed)
        error = values.std(ddof=1) / np.sqrt(len(values))
        spread = spread + error * generator.standard_t(len(values) - 1, len(spread))
    low, high = np.quantile(spread, _ENDS)
    return Interval(float(values.mean()), float(low), float(high))
