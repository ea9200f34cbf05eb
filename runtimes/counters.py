"""What a runner has done so far: calls, images, exits and milliseconds."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Counters:
    """What a runner has answered since it was made, or since they were set to zero.

    Attributes:
        calls: That gave a result.
        images: In them.
        exits: How many images left at each exit; the last is the backbone's own head.
        ms: Wall time of the calls together, milliseconds; of calls at once, each counts in full.
    """

    calls: int
    images: int
    exits: tuple[int, ...]
    ms: float


class Tally:
    """Counts calls of several threads.

    Args:
        exits: How many the cascade has.
    """

    def __init__(self, exits: int) -> None:
        self._lock = threading.Lock()
        self._exits = exits
        self._calls, self._ms, self._left = 0, 0.0, [0] * exits

    def add(self, exits: NDArray[np.int32], ms: float) -> None:
        """Count one call by the exits that its images took, from 1."""
        count = len(exits)
        if count == 1:
            number = exits.item() - 1
            with self._lock:
                self._calls, self._ms = self._calls + 1, self._ms + ms
                self._left[number] += 1
            return
        left = np.bincount(exits, minlength=self._exits + 1)[1:].tolist()
        with self._lock:
            self._calls, self._ms = self._calls + 1, self._ms + ms
            self._left = [one + more for one, more in zip(self._left, left, strict=True)]

    def read(self, *, reset: bool = False) -> Counters:
        """Return the numbers of one moment; with `reset` they begin at zero there."""
        with self._lock:
            found = Counters(self._calls, sum(self._left), tuple(self._left), self._ms)
            if reset:
                self._zero()
        return found

    def _zero(self) -> None:
        self._calls, self._ms, self._left = 0, 0.0, [0] * self._exits
