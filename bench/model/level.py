"""Where a series lies in the long run, when nobody knows how long it remembers.

The pace of a machine is such a series: what it is in forty blocks says little of what it usually is
if it wanders slowly, and how slowly is itself a guess from forty blocks. So the interval is not of
one guess but of all of them, each as likely as the series makes it.

A first-order autoregression with level m, memory r and Gaussian pushes; the prior is flat in m and
in the logarithm of their size, and ``1 / sqrt(1 - r^2)`` in r (Berger and Yang 1994). Given r, m is
Student's t around the generalised least squares mean::

    m(r) = (x_1 + x_n + (1 - r) sum_(1<t<n) x_t) / (n - (n - 2) r)
    S(r) = (x_1 - m)^2 + sum_t (x_t - m - r (x_(t-1) - m))^2 / (1 - r^2)
    A(r) = (n - (n - 2) r) / (1 + r)
    m | r ~ m(r) + sqrt(S / ((n - 1) A)) t_(n-1)
    p(r)  ~ (1 - r^2)^(-n/2) A^(-1/2) S^(-(n-1)/2)
"""

from __future__ import annotations

import numpy as np

from calexnet.bench.model.statistics import Floats
from calexnet.bench.report.interval import Interval

#: Memories that are thought of; beyond the last, forty blocks tell nothing at all.
_MEMORIES = np.linspace(0.0, 0.98, 99)
_DRAWS = 4000
#: A hiccup is no pace: what lies further off the median is drawn in, in robust standard deviations.
_CUT = 4.0


def level(series: Floats, seed: int) -> Interval:
    """Return the median of a series in time, with the interval of its level in the long run.

    Args:
        series: float64 ``(n,)``, at least two.
        seed: Of the draws.
    """
    middle = float(np.median(series))
    x = _calmed(series, middle)
    if np.ptp(x) <= 1e-12 * max(1.0, abs(middle)):
        return Interval(middle, middle, middle)
    chance, centre, scale = _given_memory(x)
    rng = np.random.default_rng(seed)
    drawn = rng.choice(len(_MEMORIES), _DRAWS, p=chance)
    draws = centre[drawn] + scale[drawn] * rng.standard_t(len(x) - 1, _DRAWS)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(middle, min(middle, float(low)), max(middle, float(high)))


def _calmed(series: Floats, middle: float) -> Floats:
    """Return the series with its hiccups drawn in."""
    spread = _CUT * 1.4826 * float(np.median(np.abs(series - middle)))
    if spread <= 1e-9 * np.ptp(series):  # most are alike: what is not cannot be called far off
        return series
    return np.clip(series, middle - spread, middle + spread)


def _given_memory(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Return how likely each memory is, and the centre and scale of the level given it."""
    count, r = len(x), _MEMORIES
    weight = (count - (count - 2) * r) / (1 + r)
    centre = (x[0] + x[-1] + (1 - r) * x[1:-1].sum()) / (1 + r) / weight
    away = x - centre[:, None]
    pushes = ((away[:, 1:] - r[:, None] * away[:, :-1]) ** 2).sum(axis=1) / (1 - r**2)
    spread = away[:, 0] ** 2 + pushes
    log = -count / 2 * np.log(1 - r**2) - np.log(weight) / 2 - (count - 1) / 2 * np.log(spread)
    chance = np.exp(log - log.max())
    return chance / chance.sum(), centre, np.sqrt(spread / ((count - 1) * weight))
