"""The latency of one call: a mixture over exits, recombined with the shares that take each.

Every exit is a stratum, timed on samples that are known to leave there. The mixture's quantiles
then hold the rare late exits in their true share, however many were timed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calexnet.bench import statistics
from calexnet.bench.interval import Interval
from calexnet.bench.statistics import Floats

#: Fewest calls that bound a percentile q from above at 99 % confidence: the least n with
#: q^n <= 1 %. Below it no figure is given.
FLOORS = {50: 7, 90: 44, 95: 90, 99: 459}

_DRAWS = 200


@dataclass(frozen=True)
class Stratum:
    """Calls that are alike: all of plain, or all that leave at one exit.

    Attributes:
        share: Of all calls, 0..1.
        calls: ms of each call, block by block; all strata have the same blocks.
    """

    share: float
    calls: Sequence[Floats]


@dataclass(frozen=True)
class Latency:
    """Of one call, ms.

    Attributes:
        calls: Timed in all.
        effective: How many calls of the mixture tell as much as those timed of its strata.
        mean: With every call that was timed.
        percentiles: By percent; ``None`` with fewer effective calls than the floor.
    """

    calls: int
    effective: int
    mean: Interval
    percentiles: dict[int, Interval | None]


def mixture(strata: Sequence[Stratum], samples: int, pace: Floats, seed: int = 0) -> Latency:
    """Return the latency of calls that fall into `strata` by their shares.

    The interval carries the noise of the timing, block by block, widened for what the machine's
    pace remembers from block to block, and the sampling error of the shares; the two errors are
    independent.

    Args:
        strata: At least one of a share over 0; shares sum to 1.
        samples: On which the shares were found.
        pace: Of the machine in each block, see `calexnet.bench.blocks`.
        seed: Of the resampling.
    """
    table = _Table([one for one in strata if one.share > 0])
    shares = table.shares
    rng = np.random.default_rng(seed)
    rows = statistics.resampled(table.blocks, seed, _DRAWS)
    by_time = [table.figures(table.weights(shares, row)) for row in rows]
    drawn = rng.multinomial(samples, shares / shares.sum(), _DRAWS) / samples
    by_share = [table.figures(table.weights(share)) for share in drawn] if len(shares) > 1 else []
    found = table.figures(table.weights(shares))
    wide = statistics.widening(pace)
    intervals = []
    for place, value in enumerate(found):
        parts = [statistics.widened(value, np.array(by_time)[:, place], wide)]
        if by_share:
            parts.append(statistics.widened(value, np.array(by_share)[:, place], 1.0))
        intervals.append(statistics.in_quadrature(float(value), parts))
    effective = table.effective
    return Latency(
        table.count,
        effective,
        intervals[0],
        {
            percent: interval if effective >= FLOORS[percent] else None
            for percent, interval in zip(FLOORS, intervals[1:], strict=True)
        },
    )


def quantiles(calls: Sequence[Floats], steps: int = 20) -> tuple[float, ...]:
    """Return the least, the largest and what divides all calls into `steps` equal parts."""
    return tuple(
        float(q) for q in np.quantile(np.concatenate([*calls]), np.linspace(0, 1, steps + 1))
    )


class _Table:
    """All calls in rising order, with the stratum and the block that each is of."""

    def __init__(self, strata: Sequence[Stratum]) -> None:
        self.shares = np.array([one.share for one in strata])
        self.blocks = len(strata[0].calls)
        ms = [calls for one in strata for calls in one.calls]
        cells = np.repeat(np.arange(len(ms)), [len(calls) for calls in ms])
        flat = np.concatenate(ms)
        order = np.argsort(flat, kind="stable")
        self.ms, self.cells = flat[order], cells[order]
        self.sizes = np.array([[len(calls) for calls in one.calls] for one in strata], float)

    @property
    def count(self) -> int:
        """How many calls there are."""
        return len(self.ms)

    @property
    def effective(self) -> int:
        """Kish's effective sample size of the weighted calls."""
        return int(1 / float((self.shares**2 / self.sizes.sum(axis=1)).sum()) + 1e-9)

    def weights(self, shares: Floats, blocks: Floats | None = None) -> Floats:
        """Return what each call weighs, with these shares and, if given, these blocks drawn."""
        times = np.ones(self.blocks) if blocks is None else np.bincount(blocks, None, self.blocks)
        drawn = self.sizes * times
        cells = times * (shares / drawn.sum(axis=1))[:, None]
        return np.asarray(cells.ravel()[self.cells])

    def figures(self, weights: Floats) -> Floats:
        """Return the mean and every percentile: the least call that so much weight reaches."""
        reached = np.cumsum(weights)
        targets = np.array([*FLOORS]) / 100 * reached[-1] * (1 - 1e-12)
        places = np.minimum(np.searchsorted(reached, targets), len(weights) - 1)
        return np.append(float(weights @ self.ms) / reached[-1], self.ms[places])
