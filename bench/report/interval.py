"""A figure with its 95 % interval, as reports hold it and statistics find it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Interval:
    """A figure and the 95 % interval around it."""

    value: float
    low: float
    high: float

    def holds(self, value: float) -> bool:
        """Tell whether `value` lies in it."""
        return self.low <= value <= self.high

    def times(self, factor: float) -> Interval:
        """Return the interval of the figure times a positive `factor`."""
        return Interval(self.value * factor, self.low * factor, self.high * factor)
