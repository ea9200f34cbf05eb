"""The mean time of a cascade that is put together from pieces, from what each of them costs alone.

The sum over pieces of how often each is called, times what a call of it costs then. How often is an
expectation over the survivors of a batch (`calexnet.costs.expected_calls`). What a call costs
depends on what ran since the piece last did. With M the last exit that was reached by the batch
before it, of those that reached piece k at all::

    ms = sum_k sum_n E[calls of k on n] (warm_k(n) + (cold_k(n) - warm_k(n)) E[w(k, M) | M >= k])
    w(k, m) = bytes of the pieces k + 1 .. m / bytes that were read between two cold calls

with no more than 1, and bytes those of weights. A reconstruction: caches are larger or smaller than
that line says. `benchmarks.choose_study` holds it against cascades that are measured whole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.costs.board import Board, CostRow
from calexnet.bench.report.task import Setting
from calexnet.costs import expected_calls
from calexnet.export.pool.document import Pool, Span

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """What a board says of a pool's pieces at one setting, ready to be combined.

    Attributes:
        board: Of this pool.
        setting: Target, precision, batch and threads of the cascades.
        weights: Bytes of every piece's constants.
        largest: The network that ran between two cold calls.
    """

    board: Board
    setting: Setting
    weights: Mapping[Span, int]
    largest: Span

    @classmethod
    def of(cls, board: Board, pool: Pool, setting: Setting) -> Costs:
        """Return the costs at a setting."""
        pieces = pool.pieces(setting.target, setting.precision)
        weights = {span: piece.weight_bytes for span, piece in pieces.items()}
        return cls(board, setting, weights, pool.largest(setting.target, setting.precision))

    def to_exit(self, chain: Sequence[Span]) -> Floats:
        """Return the mean ms of single images that leave at each exit: float64 ``(exits,)``.

        The mean over many images is these times the share that leaves at each. What an image makes
        the next ones wait for, since it has filled the caches with other weights, is counted to it.

        Args:
            chain: Its pieces in running order, one an exit.

        Raises:
            InputError: A piece was not measured at this setting and batch 1.
        """
        setting = replace(self.setting, batch=1)
        rows = [self.board.row(span, setting) for span in chain]
        return np.array([self._after(chain, rows, last) for last in range(len(chain))])

    def _after(self, chain: Sequence[Span], rows: Sequence[CostRow], last: int) -> float:
        return sum(_between(rows[k], self._displaced(chain, k, last)) for k in range(last + 1))

    def expected_ms(self, chain: Sequence[Span], exit_rates: Sequence[float]) -> float:
        """Return the mean ms of one batch.

        Args:
            chain: See `to_exit`.
            exit_rates: Share of images at each exit.

        Raises:
            InputError: A piece was not measured at this setting.
            MeasurementError: The batch is beyond those that were.
        """
        target, precision, threads = (
            self.setting.target,
            self.setting.precision,
            self.setting.threads,
        )
        batches = self.board.batches(target, precision, threads)
        calls = expected_calls(batches, self.setting.batch, exit_rates)
        depths = _depths(exit_rates, self.setting.batch)
        total = 0.0
        for k, span in enumerate(chain):
            displaced = self._expected_displaced(chain, k, depths)
            for place, batch in enumerate(batches):
                if calls[k, place] > 0:
                    row = self.board.row(span, replace(self.setting, batch=batch))
                    total += calls[k, place] * _between(row, displaced)
        return total

    def _expected_displaced(self, chain: Sequence[Span], k: int, depths: Floats) -> float:
        """Return E[w(k, M) | M >= k]; 0 where no batch gets to piece `k`."""
        reached = depths[k:].sum()
        if reached <= 0:
            return 0.0
        shares = [self._displaced(chain, k, m) for m in range(k, len(chain))]
        return float(depths[k:] @ np.array(shares) / reached)

    def _displaced(self, chain: Sequence[Span], k: int, last: int) -> float:
        """Return w(k, m): of what ran between two cold calls of piece `k`, the share up to `last`.

        Of the largest network itself that is what lies behind the piece: the rest of it runs
        between two warm calls too.
        """
        if last == k:
            return 0.0
        span, rest = chain[k], self.weights[self.largest]
        if span.network == self.largest.network and span.stop is not None:
            rest = self.weights[Span(span.network, span.stop)]
        read = sum(self.weights[one] for one in chain[k + 1 : last + 1])
        return min(1.0, read / rest) if rest > 0 else 1.0


def _between(row: CostRow, displaced: float) -> float:
    warm = row.warm_ms.value
    return warm + displaced * (row.cold_ms.value - warm)


def _depths(exit_rates: Sequence[float], batch: int) -> Floats:
    """Return the chances that each exit is the last one that any image of a batch reaches."""
    upto = np.clip(np.cumsum(exit_rates), 0.0, 1.0) ** batch
    return np.diff(upto, prepend=0.0)
