"""What the segment grid foretells: time at any exit profile, gathered or not, and the worst case.

A segment's time is the difference of two exit paths that were timed whole, in the runner and in the
order in which an app would run them; so what a call costs beside the runtime is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calexnet.bench.blocks import Blocks, Times
from calexnet.bench.interval import Interval
from calexnet.bench.statistics import Floats
from calexnet.costs import (
    break_even_band,
    break_even_exit_rate,
    exit_profile,
    expected_calls,
    profiles,
)

#: Shares of early exits for which times are foretold.
EARLY = tuple(round(0.1 * tenths, 1) for tenths in range(11))


def plain_at(batch: int) -> str:
    """Return the name of the backbone alone at a batch size."""
    return f"plain@{batch}"


def cascade_at(batch: int) -> str:
    """Return the name of the cascade in the images' own order."""
    return f"cascade@{batch}"


def path_at(number: int, batch: int) -> str:
    """Return the name of a batch that leaves whole at exit `number`."""
    return f"exit{number}@{batch}"


@dataclass(frozen=True)
class Grid:
    """The paths of one cascade on one thread setting, timed in the same blocks.

    Attributes:
        blocks: With the tasks ``prefix + path_at(...)``, ``plain_at`` and ``cascade_at``.
        prefix: Of this cascade's tasks.
        batches: Timed, rising from 1.
        exit_rates: Observed shares.
    """

    blocks: Blocks
    prefix: str
    batches: tuple[int, ...]
    exit_rates: tuple[float, ...]

    def segment_ms(self, times: Times | None = None) -> Floats:
        """Return the ms of one call of each segment: float64 ``(exits, grid)``.

        Args:
            times: Draws of times; then there is a third axis for them.
        """
        known: Times = self._usual() if times is None else times
        paths = np.array(
            [
                [known[self.prefix + path_at(number, batch)] * batch for batch in self.batches]
                for number in range(1, len(self.exit_rates) + 1)
            ]
        )
        segments = np.diff(paths, axis=0, prepend=np.zeros_like(paths[:1]))
        return segments[..., 0] if times is None else segments

    def foretold(
        self, batch: int, exit_rates: Sequence[float], *, compacted: bool = True
    ) -> Interval:
        """Return the predicted ms an image."""
        calls = expected_calls(self.batches, batch, exit_rates, compacted=compacted)
        return self.blocks.derived(lambda times: self._expected(times, calls) / batch)

    def over(self, name: str, batch: int, exit_rates: Sequence[float] | None = None) -> Interval:
        """Return the prediction over what was measured as `name`, at this batch."""
        calls = expected_calls(self.batches, batch, exit_rates or self.exit_rates)
        return self.blocks.derived(
            lambda times: self._expected(times, calls) / batch / times[self.prefix + name]
        )

    def worst(self, batch: int) -> Interval:
        """Return cascade over plain if every image takes the last exit."""
        last = path_at(len(self.exit_rates), batch)
        return self.blocks.ratio(self.prefix + plain_at(batch), self.prefix + last)

    def break_even(self, batch: int) -> tuple[float | None, float | None, float | None]:
        """Return the early-exit share at which cascade and plain cost the same, and its band.

        The prediction is moved by a constant so that it meets the measured cascade at the observed
        rates: the observed rate lies beyond the break-even rate exactly when the cascade measured
        faster. The band is every share around it at which the interval of what is lost holds 0;
        ``None`` = no share is enough.
        """
        found = profiles(self.batches, batch, self.exit_rates)
        plain, cascade = (self.prefix + name for name in (plain_at(batch), cascade_at(batch)))

        def losses(times: Times) -> Floats:
            expected = np.tensordot(found.calls, self.segment_ms(times), 2) / batch
            moved = times[cascade] - expected[found.observed]
            return np.asarray((expected + moved) / times[plain] - 1)

        value, low, high = self.blocks.derived_each(losses)
        rate = break_even_exit_rate(found, value)
        return rate, *break_even_band(found, rate, low, high)

    def _expected(self, times: Times, calls: Floats) -> Floats:
        return np.asarray(np.tensordot(calls, self.segment_ms(times), 2))

    def _usual(self) -> dict[str, Floats]:
        return {name: np.array([ms]) for name, ms in self.blocks.usual().items()}


def profile(early: float, exit_rates: Sequence[float]) -> tuple[float, ...]:
    """Return exit rates with `early` leaving before the tail, the observed mix kept."""
    return exit_profile(early, exit_rates[:-1])
