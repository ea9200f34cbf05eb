"""A pool of lanes: each call gets one that no other thread has."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from calexnet.runtimes.lanes.lane import Lane


class Pool:
    """Lanes that are idle. As many come to be as calls have ever run at once.

    Args:
        make: Gives a lane with room for so many samples.
        most: The largest room.
    """

    def __init__(self, make: Callable[[int], Lane], most: int) -> None:
        self.most = most
        self._make = make
        # Both ends of a deque are safe to share between threads. The last used is the next: its
        # memory is the warmest, and lanes beyond what is needed stay untouched.
        self._idle: deque[Lane] = deque()

    def take(self, rows: int) -> Lane:
        """Return an idle lane with room for `rows` samples, else a new one; it is the caller's."""
        try:
            lane = self._idle.pop()
        except IndexError:
            return self._make(self._room(rows))
        if lane.room >= rows or lane.grow(self._room(rows)):
            return lane
        # One that is too small is let go: its arrays are not worth keeping beside larger ones.
        return self._make(self._room(rows))

    def give_back(self, lane: Lane) -> None:
        """Take back a lane whose batch is through. One that failed is to be forgotten instead."""
        self._idle.append(lane)

    def _room(self, rows: int) -> int:
        """Return `rows` rounded up to a power of two: few sizes, no page of it used in vain."""
        return min(self.most, 1 << (rows - 1).bit_length())
