"""What the segment grid foretells: time at any exit profile, gathered or not, and the worst case.

A segment's time is the difference of two exit paths that were timed whole, in the runner and in the
order in which an app would run them; so what a call costs beside the runtime is in it. Gathering
survivors costs what a batch takes of which half leaves, less its segments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from calexnet.bench.model.blocks import Blocks, Times
from calexnet.bench.model.statistics import Floats
from calexnet.bench.report.interval import Interval
from calexnet.costs import (
    break_even_band,
    break_even_exit_rate,
    exit_profile,
    expected_calls,
    expected_gathers,
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


def cut_at(number: int) -> str:
    """Return the name of single images that all leave at exit `number`: the network cut there."""
    return f"cut{number}@1"


def half_at(number: int, batch: int) -> str:
    """Return the name of a batch of which half leaves at exit `number` and half at the next."""
    return f"half{number}@{batch}"


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

    def segment_ms(self, times: Times) -> Floats:
        """Return the ms of one call of each segment: float64 ``(exits, grid, draws)``."""
        paths = np.array(
            [
                [self._call_ms(times, path_at(number, batch), batch) for batch in self.batches]
                for number in range(1, len(self.exit_rates) + 1)
            ]
        )
        return np.asarray(np.diff(paths, axis=0, prepend=np.zeros_like(paths[:1])))

    def gather_ms(self, times: Times) -> Floats:
        """Return the ms to gather one sample before each segment: float64 ``(exits, draws)``.

        A batch of which half leaves at an exit, and half at the next one, less the segment before
        them with all of it and the segment between them with half. 0 where that was not timed.
        """
        batch = halved(self.batches)
        some = np.zeros_like(times[self.prefix + path_at(1, 1)])
        found = [some]
        for number in range(1, len(self.exit_rates)):
            if self.prefix + half_at(number, batch) not in times:
                found.append(some)
                continue
            half = batch // 2
            before = self._call_ms(times, path_at(number, batch), batch)
            between = self._call_ms(times, path_at(number + 1, half), half)
            between = between - self._call_ms(times, path_at(number, half), half)
            whole = self._call_ms(times, half_at(number, batch), batch)
            found.append((whole - before - between) / half)
        return np.array(found)

    def segments(self) -> tuple[Floats, Floats, Floats]:
        """Return each segment's ms an image: values, lower and upper ends ``(exits, grid)``."""
        shape = len(self.exit_rates), len(self.batches)
        each = np.array(self.batches)[None, :, None]

        def flat(times: Times) -> Floats:
            return np.asarray(self.segment_ms(times) / each).reshape(shape[0] * shape[1], -1)

        value, low, high = self.blocks.derived_each(flat)
        return value.reshape(shape), low.reshape(shape), high.reshape(shape)

    @cached_property
    def gathers(self) -> tuple[Interval, ...]:
        """The ms to gather one sample before each segment."""
        found = zip(*self.blocks.derived_each(self.gather_ms), strict=True)
        return tuple(Interval(float(ms), float(low), float(high)) for ms, low, high in found)

    def foretold(
        self, batch: int, exit_rates: Sequence[float], *, compacted: bool = True
    ) -> Interval:
        """Return the predicted ms an image."""
        return self.blocks.derived(self._image_ms(batch, exit_rates, compacted=compacted))

    def over(
        self,
        name: str,
        batch: int,
        exit_rates: Sequence[float] | None = None,
        *,
        compacted: bool = True,
    ) -> Interval:
        """Return the prediction over what was measured as `name`, at this batch."""
        image_ms = self._image_ms(batch, exit_rates or self.exit_rates, compacted=compacted)
        return self.blocks.derived(lambda times: image_ms(times) / times[self.prefix + name])

    def worst(self, batch: int) -> Interval:
        """Return cascade over plain if every image takes the last exit."""
        last = path_at(len(self.exit_rates), batch)
        return self.blocks.ratio(self.prefix + plain_at(batch), self.prefix + last)

    def break_even(
        self, batch: int, energy_ratio: Interval | None = None
    ) -> tuple[float | None, float | None, float | None]:
        """Return the early-exit share at which cascade and plain cost the same, and its band.

        The prediction is moved by a constant so that it meets the measured cascade at the observed
        rates: the observed rate lies beyond the break-even rate exactly when the cascade measured
        faster. The band is every share around it at which the interval of what is lost holds 0;
        ``None`` = no share is enough.

        Args:
            batch: Samples a call.
            energy_ratio: Joules of cascade over plain at the observed rates. The answer is then
                about joules, which go with time by the power that the cascade drew.
        """
        found = profiles(self.batches, batch, self.exit_rates)
        plain, cascade = (self.prefix + name for name in (plain_at(batch), cascade_at(batch)))
        against = plain if energy_ratio is None else cascade

        def over(times: Times) -> Floats:
            expected = found.expected_ms(self.segment_ms(times), self._counted(times)) / batch
            moved = times[cascade] - expected[found.observed]
            return np.asarray((expected + moved) / times[against])

        value, low, high = self.blocks.derived_each(over)
        if energy_ratio is not None:
            value, low, high = _times_each(energy_ratio, value, low, high)
        rate = break_even_exit_rate(found, value - 1)
        return rate, *break_even_band(found, rate, low - 1, high - 1)

    def _image_ms(
        self, batch: int, exit_rates: Sequence[float], *, compacted: bool
    ) -> Callable[[Times], Floats]:
        calls = expected_calls(self.batches, batch, exit_rates, compacted=compacted)
        gathers = expected_gathers(batch, exit_rates) * compacted

        def image_ms(times: Times) -> Floats:
            total = np.tensordot(calls, self.segment_ms(times), 2) + gathers @ self._counted(times)
            return np.asarray(total / batch)

        return image_ms

    def _counted(self, times: Times) -> Floats:
        """Return `gather_ms` where it is told from nothing, and 0 where noise alone may be it."""
        counted = np.array([is_told(found) for found in self.gathers])
        return np.asarray(self.gather_ms(times) * counted[:, None])

    def _call_ms(self, times: Times, name: str, batch: int) -> Floats:
        return np.asarray(times[self.prefix + name] * batch)


def is_told(found: Interval) -> bool:
    """Tell whether a cost that cannot be under 0 is likelier than none: by one standard error."""
    return found.low > -found.value


def halved(batches: Sequence[int]) -> int:
    """Return the batch size at which gathering is timed: the largest that is halved on the grid."""
    return max((batch for batch in batches if batch // 2 in batches and batch % 2 == 0), default=1)


def _times_each(
    factor: Interval, value: Floats, low: Floats, high: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return figures times a factor that knows nothing of their errors."""
    sizes, found = np.abs(value), factor.value * value
    down = np.hypot(factor.value * (value - low), sizes * (factor.value - factor.low))
    up = np.hypot(factor.value * (high - value), sizes * (factor.high - factor.value))
    return found, found - down, found + up


def shares(exit_rates: Sequence[float]) -> tuple[float, ...]:
    """Return the early shares to foretell: none but 0 where no mix among branches was seen."""
    return EARLY if mix_seen(exit_rates) else EARLY[:1]


def mix_seen(exit_rates: Sequence[float]) -> bool:
    """Tell whether it is known how early exits spread over the branches: some were seen, or one."""
    return len(exit_rates) == 2 or sum(exit_rates[:-1]) > 0


def profile(early: float, exit_rates: Sequence[float]) -> tuple[float, ...]:
    """Return exit rates with `early` leaving before the tail, the observed mix kept."""
    return exit_profile(early, exit_rates[:-1])
