"""What a report holds of the wait for a machine that cools down or warms up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settled:
    """What came of the wait.

    Attributes:
        seconds: It took.
        limit_s: It might have taken.
        held: Whether the machine held its pace and its warmth in the end.
        pace_change: Slowest over fastest of the last windows, less 1; ``None`` if it never worked
            so long without being slowed down.
        warmth_change_c: Hottest less coolest of these; ``None`` without a sensor.
    """

    seconds: float
    limit_s: float
    held: bool
    pace_change: float | None
    warmth_change_c: float | None
