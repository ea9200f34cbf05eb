"""What a chain costs: what leaving at each exit costs, times the share that leaves there.

    cost = sum_k P(an image leaves at exit k) (piece 1 + ... + piece k)
         = sum_k P(an image reaches piece k) piece k

Pieces are counted (MACs), or measured as they would ship (ms): a cut stops a runtime's fusion, so
what lies on both sides of it does not add up to what is not cut there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from calexnet.choosing.pool import Chain, ExitPool, pieces
from calexnet.export.pool.document import Span

#: From a chain's pieces in running order to what an image costs that leaves at the end of each,
#: all before it included: float64 ``(exits,)``. `calexnet.bench.costs.prediction` has one in ms.
Cost = Callable[[Sequence[Span]], NDArray[np.float64]]


def counted(pool: ExitPool) -> Cost:
    """Return the cost in MACs: of a piece its stages, and the head at its end."""

    def macs(piece: Span) -> int:
        network = pool.network(piece.network)
        first = 0 if piece.start is None else network.places.index(piece.start) + 1
        if piece.stop is None:
            return sum(network.stages[first:])
        last = network.places.index(piece.stop) + 1
        head = 0 if piece.head is None else network.heads[piece.head][last - 1]
        return sum(network.stages[first:last]) + head

    return lambda chain: np.cumsum([float(macs(piece)) for piece in chain])


def to_exit(chain: Chain, cost: Cost) -> NDArray[np.float64]:
    """Return what an image costs that leaves at each exit, all that came before included."""
    return cost(pieces(chain))


def expected(chain: Chain, cost: Cost, rates: Sequence[float] | NDArray[np.float64]) -> float:
    """Return the mean cost of an image, given the share that leaves at each exit."""
    return float(np.dot(rates, to_exit(chain, cost)))
