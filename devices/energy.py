"""Energy from sensors: one contract for counters and power meters, and joules of a window.

A source is recorded while work runs; the recording then tells the joules between any two moments.
A counter gives joules so far, a power meter watts now; both end as one number or one reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.devices.pacing import Time

Floats = NDArray[np.float64]

#: From when to when, in seconds of the run's clock.
Span = tuple[float, float]

#: ``counter``: joules since some moment. ``power``: watts now.
Kind = Literal["counter", "power"]
#: Whether one rail is the whole, or several are added up.
Total = Literal["measured", "sum"]

#: A counter's window must hold so many of its ticks: then an edge is off by at most one per cent.
LEAST_TICKS = 100
#: Share of a window that may lie outside a counter's first and last tick in it.
_UNSEEN_SHARE = 0.1
#: A sensor is taken to hang when it says nothing for so many periods, and for so long.
_HANG_PERIODS, _HANG_S = 10, 0.25


@dataclass(frozen=True)
class SourceRecord:
    """What is known of an energy sensor.

    Attributes:
        name: Of the sensor.
        kind: What a reading is.
        period_s: Between two readings.
        tick_s: How often the sensor itself has something new.
        covers: What is in the joules, and what is not.
        rails: That are added up, or the one that is read.
        total: How the rails make up the whole.
        averaging_s: A power reading is the mean over so long before it; 0 = of the moment.
        limit_w: More than this it cannot have used; a reading that says so is a fault.
    """

    name: str
    kind: Kind
    period_s: float
    tick_s: float
    covers: str
    rails: tuple[str, ...] = ()
    total: Total = "measured"
    averaging_s: float = 0.0
    limit_w: float = 10_000.0

    def window_s(self, least_s: float) -> float:
        """Return how long a window should be, at least `least_s`, for this sensor to do it well."""
        if self.kind == "counter":
            return max(least_s, 1.2 * LEAST_TICKS * self.tick_s)
        return max(least_s, 10 * self.period_s)


@dataclass(frozen=True)
class EnergyReading:
    """The joules of a window; ``None`` with the reason where there are none."""

    joules: float | None
    reason: str | None = None


@dataclass(frozen=True)
class RecordingCost:
    """What recording took of the machine itself.

    Attributes:
        readings: How many were taken.
        read_ms: Mean time of one.
        cpu_share: Processor time of the recording over its wall time; 1 = one core, all the time.
    """

    readings: int
    read_ms: float
    cpu_share: float


@dataclass(frozen=True)
class Trace:
    """All that a sensor said: joules so far, or watts, at rising moments.

    Attributes:
        source: Of what.
        times_s: Moments of the readings.
        values: The readings.
        faults: Moments at which it gave none, or one that cannot be, with the reason.
        unusable: Why none of it can be used.
    """

    source: SourceRecord
    times_s: Floats
    values: Floats
    faults: tuple[tuple[float, str], ...] = ()
    unusable: str | None = None

    def energy(self, start_s: float, end_s: float) -> EnergyReading:
        """Return the joules from `start_s` to `end_s`, edges included, or why they are unknown."""
        inside = (why for at, why in self.faults if start_s <= at <= end_s)
        fault = self.unusable or next(inside, None)
        if fault is not None:
            return EnergyReading(None, f"{self.source.name}: {fault}")
        first, last = np.searchsorted(self.times_s, [start_s, end_s + 1e-9])
        times, values = self.times_s[first:last], self.values[first:last]
        silence = self._silence(times, start_s, end_s)
        if silence is not None:
            return EnergyReading(None, f"{self.source.name}: {silence}")
        if self.source.kind == "counter":
            return self._counted(times, values, start_s, end_s)
        return EnergyReading(self._integrated(times, values, start_s, end_s))

    def _silence(self, times: Floats, start_s: float, end_s: float) -> str | None:
        """Return that, and for how long, the sensor said nothing, None if it spoke all along.

        A window without a reading of its own may lie between two that are close enough.
        """
        if len(times):
            moments = np.concatenate([[start_s], times, [end_s]])
        else:
            around = np.searchsorted(self.times_s, start_s)
            moments = self.times_s[max(around - 1, 0) : around + 1]
        if len(moments) < 2:
            return f"no reading for {end_s - start_s:.3g} s"
        longest_s = float(np.diff(moments).max())
        if longest_s > max(_HANG_PERIODS * self.source.period_s, _HANG_S):
            return f"no reading for {longest_s:.3g} s"
        return None

    def _counted(
        self, times: Floats, values: Floats, start_s: float, end_s: float
    ) -> EnergyReading:
        """Return the mean power from the first tick to the last, times the window.

        So no energy of the ticks' neighbours leaks in, and the edges are extended by the
        window's own power.
        """
        name, tick_s = self.source.name, self.source.tick_s
        moved = np.flatnonzero(np.diff(values, prepend=self._value_before(start_s)) != 0)
        if len(moved) < 2:
            return EnergyReading(
                None, f"{name}: the counter stood still for {end_s - start_s:.3g} s"
            )
        first, last = moved[0], moved[-1]
        seen_s = float(times[last] - times[first])
        if seen_s < LEAST_TICKS * tick_s:
            return EnergyReading(
                None,
                f"{name}: the window of {end_s - start_s:.3g} s is too short for a counter that "
                f"ticks every {tick_s * 1e3:.3g} ms; it must hold {LEAST_TICKS} ticks",
            )
        if seen_s < (1 - _UNSEEN_SHARE) * (end_s - start_s):
            return EnergyReading(None, f"{name}: the counter stood still in a part of the window")
        power_w = float(values[last] - values[first]) / seen_s
        return EnergyReading(power_w * (end_s - start_s))

    def _value_before(self, start_s: float) -> float:
        """Return what the counter said before `start_s`; not a number if nothing, so all is new."""
        at = bisect_right(self.times_s, start_s - 1e-9) - 1
        return float(self.values[at]) if at >= 0 else float("nan")

    def _integrated(self, times: Floats, values: Floats, start_s: float, end_s: float) -> float:
        """Return the trapezoids' sum, the outermost readings held to the edges."""
        if len(times) == 0:
            middle = np.interp((start_s + end_s) / 2, self.times_s, self.values)
            return float(middle) * (end_s - start_s)
        moments = np.concatenate([[start_s], times, [end_s]])
        powers = np.concatenate([values[:1], values, values[-1:]])
        return float(np.sum(np.diff(moments) * (powers[1:] + powers[:-1]) / 2))


class Recording(ABC):
    """A source that is being recorded."""

    @abstractmethod
    def edge(self) -> float:
        """Return the moment of a window's edge; a counter is read there if possible."""

    @abstractmethod
    def stop(self) -> None:
        """End the recording; a sensor that hangs is left behind."""

    @abstractmethod
    def trace(self, busy: Sequence[Span], idle: Sequence[Span] | None = None) -> Trace:
        """Return all that was recorded.

        Args:
            busy: When the device worked, for meters whose clock is not ours.
            idle: When it rested; all of the recording that is not work, if not given.
        """

    @abstractmethod
    def cost(self) -> RecordingCost:
        """Return what the recording itself took."""


class EnergySource(ABC):
    """Something that knows what a device uses.

    Attributes:
        record: What is known of it.
    """

    record: SourceRecord

    @abstractmethod
    def start(self, time: Time) -> Recording:
        """Begin to record."""
