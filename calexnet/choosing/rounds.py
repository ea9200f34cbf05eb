"""Rounds: the best chains built and measured; those that break a limit make room for the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from calexnet.choosing import building, finalists
from calexnet.choosing.costs import Cost
from calexnet.choosing.finalists import Entries, Finalist, How, Measured
from calexnet.choosing.making import Ground, Made
from calexnet.choosing.pool import Chain
from calexnet.choosing.search import Aim, Found, alone

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
        cost: By which chains were found.
        aim: What is looked for.
        precisions: Beside full precision, of cascades and plain.
        folder: For bundles on trial; empty.
    """

    made: Made
    ground: Ground
    cost: Cost
    aim: Aim
    precisions: tuple[str, ...]
    folder: Path
    _built: dict[Chain, Finalist] = field(default_factory=dict)

    @property
    def plain(self) -> Found:
        """The reference alone, as the search sees it."""
        return alone(self.made.pool, self.made.pool.plain, self.cost)

    def finalist(self, chain: Chain) -> Finalist:
        """Return a chain as a bundle, built when it is first asked for."""
        if chain not in self._built:
            rungs = finalists.rungs(self.made.pool, chain, self.cost, self.aim)
            folder = self.folder / f"network{len(self._built) + 1}"
            # Of a network without gates beside a cascade full precision alone is measured.
            precisions = self.precisions if len(chain) > 1 else ()
            building.write(self.made, rungs, self.cost, self.ground, precisions, folder)
            self._built[chain] = Finalist(rungs, folder)
        return self._built[chain]

    def worth(self, found: Sequence[Found]) -> Iterator[Found]:
        """Yield networks without gates that may be certified and cost less than the reference."""
        for one in found:
            cheaper = one.cost < self.plain.cost
            if len(one.chain) == 1 and cheaper and self.aim.hit(one.counts) and self._cuts(one):
                yield one

    def _cuts(self, one: Found) -> bool:
        """Tell whether it can be a bundle of its own: an ONNX graph is not cut short."""
        end = one.chain[0]
        return end.place is None or self.made.run(end).spec.graph is None


def measured(shop: Workshop, found: Sequence[Found], how: How, tell: Teller) -> list[Measured]:
    """Return the finalists of the search, measured; plain comes first.

    Args:
        shop: Builds them.
        found: Every chain, the best first.
        how: How to measure.
        tell: Is told what happens.
    """
    waiting = (one.chain for one in found if len(one.chain) > 1 and building.buildable(one.chain))
    others = tuple(shop.finalist(one.chain) for one in islice(shop.worth(found), OTHERS))
    rows: list[Measured] = []
    for turn in range(1, MOST + 1):
        able = {row.chain for row in rows if len(row.chain) > 1 and row.keeps_limits}
        cascades = tuple(shop.finalist(one) for one in islice(waiting, CASCADES - len(able)))
        if not cascades:
            break
        tell(f"round {turn}: {len(cascades)} cascades and {len(others)} other networks on trial")
        reference = (
            None
            if all(one.chain[-1:] == shop.plain.chain for one in cascades)
            else shop.finalist(shop.plain.chain)
        )
        entries = Entries(cascades, others, reference)
        rows += finalists.measured(entries, shop.plain, shop.aim, how)
        others = ()
    return rows
