"""Rounds: the best chains built and measured; those that break a limit make room for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from calexnet.choosing import boards, building, finalists
from calexnet.choosing.choice import Figure
from calexnet.choosing.costs import Cost
from calexnet.choosing.finalists import Entries, Finalist, How, Measured
from calexnet.choosing.making import Ground, Made
from calexnet.choosing.pool import Chain
from calexnet.choosing.search import Aim, Found, alone
from calexnet.manifest import FULL

#: Cascades that are built and measured, and networks without gates beside them.
CASCADES, OTHERS = 3, 2
#: Rounds at most.
MOST = 3

#: Is told what happens.
Teller = Callable[[str], None]


@dataclass
class Workshop:
    """Where chains become bundles.

    Attributes:
        made: The trained networks.
        ground: Their images.
        costs: By precision, full first.
        aim: What is looked for.
        precisions: Beside full precision, of cascades and plain.
        folder: For bundles on trial; empty.
    """

    made: Made
    ground: Ground
    costs: Mapping[str, Cost]
    aim: Aim
    precisions: tuple[str, ...]
    folder: Path
    _built: dict[Chain, Finalist] = field(default_factory=dict)

    @property
    def plain(self) -> Found:
        """The reference alone, as the search sees it."""
        return alone(self.made.pool, self.made.pool.plain, self.costs[FULL])

    def finalist(self, chain: Chain, precision: str = FULL) -> Finalist:
        """Return a chain as a bundle, built when it is first asked for.

        Args:
            chain: Its exits.
            precision: By whose costs its thresholds are found.
        """
        if chain not in self._built:
            cost = self.costs[precision]
            rungs = finalists.rungs(self.made.pool, chain, cost, self.aim)
            folder = self.folder / f"network{len(self._built) + 1}"
            # Of a network without gates beside a cascade full precision alone is measured.
            precisions = self.precisions if len(chain) > 1 else ()
            building.write(self.made, rungs, cost, self.ground, precisions, folder)
            self._built[chain] = Finalist(rungs, folder)
        return self._built[chain]

    def worth(self, found: Sequence[Found]) -> Iterator[Found]:
        """Yield networks without gates that may be certified and cost less than the reference."""
        for one in found:
            cheaper = one.cost < self.plain.cost
            is_other = len(one.chain) == 1 and one.chain != self.plain.chain
            if is_other and cheaper and self.aim.hit(one.counts):
                yield one


def measured(shop: Workshop, found: Sequence[Found], how: How, tell: Teller) -> list[Measured]:
    """Return the finalists of the search, measured; plain comes first.

    Args:
        shop: Builds them.
        found: Every chain, the best first.
        how: How to measure.
        tell: Is told what happens.
    """
    waiting = iter(_best_precisions(found).items())
    others = tuple(shop.finalist(one.chain) for one in islice(shop.worth(found), OTHERS))
    rows: list[Measured] = []
    for turn in range(1, MOST + 1):
        able = {row.chain for row in rows if len(row.chain) > 1 and row.keeps_limits}
        cascades = tuple(shop.finalist(*one) for one in islice(waiting, CASCADES - len(able)))
        if not cascades:
            break
        tell(f"round {turn}: {len(cascades)} cascades and {len(others)} other networks on trial")
        ends = all(one.chain[-1:] == shop.plain.chain for one in cascades)
        reference = None if ends else shop.finalist(shop.plain.chain)
        entries = Entries(cascades, others, reference)
        rows += finalists.measured(entries, shop.plain, shop.aim, how)
        others = ()
    if not rows:  # nothing with gates could be made
        rows = foretold([shop.finalist(shop.plain.chain), *others], how, ())
    return _plain_first(rows, shop)


def predicted(shop: Workshop, found: Sequence[Found], how: How) -> list[Measured]:
    """Return the finalists as the costs foretell them, at every operating point; plain first."""
    chains = islice(_best_precisions(found).items(), CASCADES)
    cascades = [shop.finalist(chain, precision) for chain, precision in chains]
    others = [shop.finalist(one.chain) for one in islice(shop.worth(found), OTHERS)]
    plain = shop.finalist(shop.plain.chain)
    rows = foretold([plain, *others], how, ()) + foretold(cascades, how, shop.precisions)
    return _plain_first(rows, shop)


def foretold(entries: Sequence[Finalist], how: How, precisions: Sequence[str]) -> list[Measured]:
    """Return builds that nothing was measured of: costs say what they take, and limits are open.

    Args:
        entries: Networks.
        how: Knows the costs.
        precisions: Beside full precision.
    """
    return [
        Measured(
            finalist=one,
            found=rung,
            predicted=how.predicted(rung, precision),
            target=boards.TARGET,
            precision=precision,
            point=point or None,
            ms=None,
            ratio=None,
            objective=how.predicted(rung, precision),
            figures=tuple(Figure(limit.text, None, False) for limit in how.limits),
            fallen=(),
        )
        for one in entries
        for precision in (FULL, *precisions)
        for point, rung in one.rungs.items()
    ]


def _plain_first(rows: Sequence[Measured], shop: Workshop) -> list[Measured]:
    return sorted(rows, key=lambda row: (row.chain != shop.plain.chain, row.precision != FULL))


def _best_precisions(found: Sequence[Found]) -> dict[Chain, str]:
    """Return every cascade, the best first, with its best precision."""
    best: dict[Chain, str] = {}
    for one in found:
        if len(one.chain) > 1:
            best.setdefault(one.chain, one.precision)
    return best
