"""The latency of one call: a mixture over exits, recombined with the shares that take each.

Every exit is a stratum, timed on samples that are known to leave there. The mixture's quantiles
then hold the rare late exits in their true share, however many were timed.

All calls stand at the run's usual pace: what slowed every task of a block alike is the machine, and
forty blocks cannot tell the tail of its swings. The report names these beside.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.model import statistics
from calexnet.bench.model.level import level
from calexnet.bench.model.statistics import Floats
from calexnet.bench.report.interval import Interval

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
    """Of one call, ms, at the run's usual pace.

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

    The intervals carry the noise of the timing, by blocks, widened for what these remember of each
    other; the sampling error of the shares; and the error of the usual pace. The three are
    independent. They add up in logarithms, so that no end is under 0.

    Args:
        strata: At least one of a share over 0; shares sum to 1.
        samples: On which the shares were found.
        pace: Of the machine in each block, a logarithm, see `calexnet.bench.model.blocks`.
        seed: Of the resampling.
    """
    table = _Table([one for one in strata if one.share > 0], samples, pace)
    swings = level(pace, seed)
    effective = table.effective
    return Latency(
        table.count,
        effective,
        _with_swings(swings, *_mean(table, samples, seed)),
        {
            percent: _with_swings(swings, found) if effective >= floor else None
            for (percent, floor), found in zip(FLOORS.items(), _percentiles(table), strict=True)
        },
    )


def quantiles(calls: Sequence[Floats], steps: int = 20) -> tuple[float, ...]:
    """Return the least, the largest and what divides all calls into `steps` equal parts."""
    return tuple(
        float(q) for q in np.quantile(np.concatenate([*calls]), np.linspace(0, 1, steps + 1))
    )


def _with_swings(swings: Interval, *parts: Interval) -> Interval:
    """Return a figure with all its errors, that of the usual pace among them."""
    value = parts[0].value
    usual = Interval(
        value, *(value * float(np.exp(end - swings.value)) for end in (swings.low, swings.high))
    )
    return statistics.in_log_quadrature(value, (*parts, usual))


def _mean(table: _Table, samples: int, seed: int) -> tuple[Interval, ...]:
    """Return the mean with the interval of the timing, and with that of the shares."""
    value = float(table.shares @ table.means())
    rows = statistics.resampled(table.blocks, seed, _DRAWS)
    by_time = np.array([table.shares @ table.means(row) for row in rows])
    found = [statistics.log_widened(value, by_time, table.widening)]
    if len(table.shares) > 1:
        rng = np.random.default_rng(seed)
        drawn = rng.multinomial(samples, table.shares / table.shares.sum(), _DRAWS) / samples
        found.append(statistics.log_widened(value, drawn @ table.means(), 1.0))
    return tuple(found)


def _percentiles(table: _Table) -> list[Interval]:
    """Return every percentile of `FLOORS`.

    The interval is Woodruff's (1952): Wilson's interval of the share of calls below, with as many
    calls as tell so much, read back through the quantiles. A tail of few blocks shows its own
    spread too small, so blocks count for no less than they do at the percentiles on average.
    """
    targets = [percent / 100 for percent in FLOORS]
    places = [table.place(target) for target in targets]
    spreads = [table.spread(place) for place in places]
    usual = float(np.mean([spread.design for spread in spreads]))
    found = []
    for target, place, spread in zip(targets, places, spreads, strict=True):
        variance = spread.alone * max(1.0, spread.design, usual) + spread.shares
        low, high = statistics.wilson(target, variance, table.student)
        value = float(table.ms[place])
        ends = (float(table.ms[table.place(end)]) for end in (low, high))
        found.append(Interval(value, *ends))
    return found


@dataclass(frozen=True)
class _Spread:
    """How sure a share of calls is.

    Attributes:
        alone: Its variance if every call were independent.
        design: By how much blocks of calls that are alike make that larger.
        shares: Its variance from the sampling of the strata's shares.
    """

    alone: float
    design: float
    shares: float


class _Table:
    """All calls in rising order, with the stratum and the block that each is of."""

    def __init__(self, strata: Sequence[Stratum], samples: int, pace: Floats) -> None:
        self.shares = np.array([one.share for one in strata])
        self.samples, self.blocks = samples, len(pace)
        cells = [
            calls * np.exp(-slow)
            for one in strata
            for calls, slow in zip(one.calls, pace, strict=True)
        ]
        self.sizes = np.array([[len(calls) for calls in one.calls] for one in strata], float)
        self.sums = np.array([calls.sum() for calls in cells]).reshape(self.sizes.shape)
        flat = np.concatenate(cells)
        order = np.argsort(flat, kind="stable")
        self.ms = flat[order]
        self.cells = np.repeat(np.arange(len(cells)), [len(calls) for calls in cells])[order]
        each = (self.shares / self.sizes.sum(axis=1))[:, None] * np.ones(self.blocks)
        self.reached = np.cumsum(each.ravel()[self.cells])
        in_blocks = self.shares @ (self.sums / self.sizes)
        effective = statistics.effective_blocks(in_blocks)
        self.memory = self.blocks / effective
        self.student = statistics.student(effective - 1)
        self.widening = statistics.widening(in_blocks)

    @property
    def count(self) -> int:
        """How many calls there are."""
        return len(self.ms)

    @property
    def effective(self) -> int:
        """Kish's effective sample size of the weighted calls."""
        return int(1 / float((self.shares**2 / self.sizes.sum(axis=1)).sum()) + 1e-9)

    def means(self, rows: NDArray[np.intp] | None = None) -> Floats:
        """Return each stratum's mean, of all blocks or of those drawn."""
        times = np.ones(self.blocks) if rows is None else np.bincount(rows, None, self.blocks)
        return np.asarray((self.sums @ times) / (self.sizes @ times))

    def place(self, share: float) -> int:
        """Return the place of the least call that so much of the weight reaches."""
        found = np.searchsorted(self.reached, share * self.reached[-1] * (1 - 1e-12))
        return int(min(found, self.count - 1))

    def spread(self, place: int) -> _Spread:
        """Return how sure the share of calls up to a place is."""
        below = np.bincount(self.cells[: place + 1], None, self.sizes.size)
        below = below.reshape(self.sizes.shape)
        every = self.sizes.sum(axis=1)
        part = below.sum(axis=1) / every
        alone = float((self.shares**2 * part * (1 - part) / every).sum())
        of_blocks = (self.shares / every) @ (below - part[:, None] * self.sizes)
        grouped = float(of_blocks @ of_blocks) * self.blocks / (self.blocks - 1) * self.memory
        between = float(self.shares @ part**2 - (self.shares @ part) ** 2) / self.samples
        return _Spread(alone, grouped / alone if alone > 0 else 1.0, max(0.0, between))
