"""The search: which exits, in which order, at which price. Calibration answers alone, seconds.

Forward selection: from every network alone, one more exit at a time, the best few chains go on.
What a chain does is found by cross-fitting: thresholds from every other calibration image are
judged on the images between them, and the other way round, for many thresholds fit their own images
better than others. A chain is as good as the cheapest rung of its price ladder that so many test
images would probably certify.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from calexnet.certify import CONFIDENCE, Counts, counts, noninferiority
from calexnet.choosing.costs import Cost, to_exit
from calexnet.choosing.pool import Chain, Exit, ExitPool
from calexnet.gating import ExitTable, choose_exits, chosen_labels, exit_rates
from calexnet.manifest import FULL
from calexnet.rules.base import Floats
from calexnet.rules.price import PriceRule

#: Most exits of a chain, the last one included.
MOST_EXITS = 4
#: The chance at which a rung is called sure to be certified.
SURE = 0.99
#: Chains that go on from one step to the next.
WIDTH = 8
#: The ladder's rungs: prices of one pass through the last exit, in accuracy. While searching every
#: few of them are enough to tell chains apart.
PRICES = PriceRule.grid
ROUGH = PRICES[::5]


@dataclass(frozen=True)
class Found:
    """What a chain does at one rung of its ladder.

    Attributes:
        chain: Its exits.
        price: Of the rung; ``None`` without gates.
        cost: Mean of an image.
        counts: Against the reference on the calibration part.
        rates: Share that leaves at each exit.
        precision: Of the build that it costs this much at; what narrow builds answer is not known
            yet, and taken to be what is answered at full precision.
    """

    chain: Chain
    price: float | None
    cost: float
    counts: Counts
    rates: tuple[float, ...]
    precision: str = FULL


@dataclass(frozen=True)
class Aim:
    """What is looked for: the cheapest that probably keeps the accuracy.

    Attributes:
        max_drop: Share of accuracy that may be lost.
        images: How many will test it.
    """

    max_drop: float
    images: int

    def hit(self, found: Counts) -> bool:
        """Tell whether so many images with these shares would certify it.

        By the statistic that the exact test is ordered by, at the limit that it has for many
        images: good enough to look, and no certificate.
        """
        return _likely(found, self.images, self.max_drop)

    def sure(self, found: Counts) -> bool:
        """Tell whether other images would certify it nearly always (99 %), as far as these tell.

        By the normal approximation: the drop d on n images, with variance v an image, has to leave
        room for the luck of these, of the m that test it, and for the test itself:
        ``d + z(.99) sqrt(v (1/n + 1/m)) + z(.95) sqrt(v / m)``. One image more is harmed and one
        helped, so that no variance is 0.
        """
        harmed, helped, images = found.harmed + 1, found.helped + 1, found.images + 2
        drop = (harmed - helped) / images
        variance = (harmed + helped) / images - drop**2
        luck = NormalDist().inv_cdf(SURE) * (variance * (1 / images + 1 / self.images)) ** 0.5
        test = NormalDist().inv_cdf(CONFIDENCE) * (variance / self.images) ** 0.5
        return bool(drop + luck + test <= self.max_drop)

    def best(self, rungs: Sequence[Found]) -> Found:
        """Return the cheapest rung that hits; the one that loses least, if none does."""
        hits = [one for one in rungs if self.hit(one.counts)]
        if hits:
            return min(hits, key=lambda one: one.cost)
        return min(rungs, key=lambda one: (one.counts.drop, one.cost))

    def order(self, one: Found) -> tuple[bool, float]:
        """Return what chains are sorted by, the best first."""
        hit = self.hit(one.counts)
        return not hit, one.cost if hit else one.counts.drop


@lru_cache(maxsize=65536)
def _likely(found: Counts, images: int, max_drop: float) -> bool:
    share = images / found.images
    harmed = np.array([min(ceil(found.harmed * share), images)])
    helped = np.minimum(floor(found.helped * share), images - harmed)
    limit = noninferiority.WIDER * NormalDist().inv_cdf(1 - CONFIDENCE)
    return bool(noninferiority.score(harmed, helped, images, max_drop)[0] <= limit)


def search(pool: ExitPool, cost: Cost, aim: Aim) -> tuple[Found, ...]:
    """Return the best rung of every chain that was looked at, the best chain first.

    Args:
        pool: What can be combined.
        cost: Of its pieces.
        aim: What for.
    """
    seen = {chain: alone(pool, chain, cost) for chain in pool.alone()}
    going = [chain for chain in seen if chain[0].place is None]
    for _ in range(MOST_EXITS - 1):
        longer = {more for chain in going for more in _longer(pool, chain)} - seen.keys()
        found = {
            chain: aim.best(ladder(pool, chain, cost, ROUGH)) for chain in sorted(longer, key=repr)
        }
        seen |= found
        going = sorted(found, key=lambda chain: aim.order(found[chain]))[:WIDTH]
    return tuple(sorted(seen.values(), key=lambda one: (*aim.order(one), len(one.chain))))


def search_builds(pool: ExitPool, costs: Mapping[str, Cost], aim: Aim) -> tuple[Found, ...]:
    """Return the same of every precision, the best chain at its best precision first.

    Args:
        pool: What can be combined.
        costs: By precision.
        aim: What for.
    """
    found = [
        replace(one, precision=precision)
        for precision, cost in costs.items()
        for one in search(pool, cost, aim)
        # Narrow builds are made of cascades and the plain networks in them.
        if precision == FULL or len(one.chain) > 1 or one.chain == pool.plain
    ]
    return tuple(sorted(found, key=lambda one: (*aim.order(one), len(one.chain))))


def every_chain(pool: ExitPool) -> Iterator[Chain]:
    """Yield every chain that there is, of any network's end and up to three exits before it."""
    going: set[Chain] = {(Exit(network.name),) for network in pool.networks}
    for _ in range(MOST_EXITS):
        yield from sorted(going, key=repr)
        going = {more for chain in going for more in _longer(pool, chain)}


def _longer(pool: ExitPool, chain: Chain) -> Iterator[Chain]:
    """Yield the chain with one more exit, which has to come before its last one.

    Networks before the last are asked whole: what is carried over their cuts is of no use to it.
    """
    taken, last = {pool.rank(one) for one in chain}, chain[-1]
    for one in pool.exits():
        whole_or_own = one.place is None or one.network == last.network
        if whole_or_own and pool.rank(one) not in taken and pool.rank(one) < pool.rank(last):
            yield tuple(sorted((*chain, one), key=pool.rank))


def alone(pool: ExitPool, chain: Chain, cost: Cost) -> Found:
    """Return what one exit does with no gate before it."""
    (one,) = chain
    found = counts(pool.right(pool.plain[0]), pool.right(one))
    return Found(chain, None, float(to_exit(chain, cost)[0]), found, (1.0,))


def ladder(
    pool: ExitPool, chain: Chain, cost: Cost, prices: Sequence[float] = PRICES
) -> tuple[Found, ...]:
    """Return what a chain does at every price, by cross-fitting."""
    table, upto = pool.table(chain), to_exit(chain, cost)
    reference = pool.right(pool.plain[0])
    found = []
    for price in prices:
        taken = _crossfitted(pool, table, upto, price)
        rates = exit_rates(taken, len(chain))
        right = chosen_labels(table, taken) == pool.truth
        found.append(
            Found(
                chain,
                price,
                float(rates @ upto),
                counts(reference, right),
                tuple(map(float, rates)),
            )
        )
    return tuple(found)


def thresholds(pool: ExitPool, chain: Chain, cost: Cost, price: float) -> Floats:
    """Return a chain's thresholds from all calibration images: float32 ``(branches, classes)``."""
    rule = PriceRule(costs=tuple(to_exit(chain, cost)))
    return rule.calibrate(pool.table(chain), pool.truth, len(pool.classes), price)


def _crossfitted(
    pool: ExitPool, table: ExitTable, upto: NDArray[np.float64], price: float
) -> NDArray[np.int32]:
    """Return the exit that each image takes by thresholds that it had no part in: int32 (n,)."""
    rule, taken = PriceRule(costs=tuple(upto)), np.empty(len(pool.truth), np.int32)
    halves = [np.arange(first, len(pool.truth), 2) for first in (0, 1)]
    for mine, other in (halves, halves[::-1]):
        bars = rule.calibrate(table.select(mine), pool.truth[mine], len(pool.classes), price)
        taken[other] = choose_exits(table.select(other), bars)
    return taken
