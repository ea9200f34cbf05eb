"""What a report holds of the decision: every network that could be shipped, and which one to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from calexnet.bench.interval import Interval

#: What can be shipped; the last two are rivals that the user named.
Kind = Literal["plain", "cascade", "smaller model", "other cascade"]


@dataclass(frozen=True)
class Alternative:
    """One network that could be shipped, at batch 1 on one thread, all timed in the same blocks.

    Attributes:
        name: In words that tell it from the others.
        kind: The backbone alone, the cascade at one operating point, or a rival.
        target: Of the bundle, or the rival's runtime.
        precision: Of the bundle, or of the rival.
        operating_point: Of a cascade.
        accuracy: On the test part.
        drop: Accuracy of the reference, plain at the first precision of the bundle, less this.
        ms: An image.
        ratio: `ms` over that of the fastest plain network of all targets and precisions.
        eligible: Loses at most the tolerance; ``None`` if the interval of `drop` spans it.
    """

    name: str
    kind: Kind
    target: str
    precision: str
    operating_point: str | None
    accuracy: Interval
    drop: Interval
    ms: float
    ratio: Interval
    eligible: bool | None


@dataclass(frozen=True)
class Decision:
    """What to ship, at batch 1 on one thread.

    Attributes:
        choice: What kind of network, ``unclear`` if the intervals do not decide.
        name: Of the network, of the likeliest one if it is unclear.
        tolerance: Share of accuracy that may be lost, 0..1.
        against: Name of the best network of another kind.
        ratio: Time of `name` over that of `against`; ``None`` if nothing else keeps the accuracy.
        doubt: Name of the fastest that is faster still, and may keep the accuracy.
        lossy: Name of the most accurate that is faster still, and surely loses more.
    """

    choice: Literal["plain", "cascade", "smaller model", "other cascade", "unclear"]
    name: str
    tolerance: float
    against: str | None
    ratio: Interval | None
    doubt: str | None = None
    lossy: str | None = None
