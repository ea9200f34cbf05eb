"""Time as the sampling and the energy method see it, so that tests can let an hour pass at once."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

#: What is done at each beat; it returns the seconds until the next.
Action = Callable[[], float]


class Pulse(ABC):
    """An action that is repeated beside the caller's own work."""

    @abstractmethod
    def beat(self, patience_s: float) -> bool:
        """Have the action done now, wait for it, and return whether it was done in time."""

    @abstractmethod
    def stop(self, patience_s: float) -> bool:
        """End the repetition and return whether the action let go in time."""


class Time(ABC):
    """A clock, and things that happen by it."""

    @abstractmethod
    def now(self) -> float:
        """Return seconds on a clock that never goes back."""

    @abstractmethod
    def sleep(self, seconds: float) -> None:
        """Let time pass."""

    @abstractmethod
    def start(self, action: Action) -> Pulse:
        """Repeat `action` from now on."""


class RealTime(Time):
    """The machine's own clock, and threads."""

    def now(self) -> float:
        """Return seconds of the monotonic clock."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)

    def start(self, action: Action) -> Pulse:
        """Repeat `action` on a thread of its own, which does not keep the process alive."""
        return _ThreadPulse(action)


class _ThreadPulse(Pulse):
    def __init__(self, action: Action) -> None:
        self._action = action
        self._changed = threading.Condition()
        self._asked = self._done = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._repeat, name="calexnet-sensor", daemon=True)
        self._thread.start()

    def beat(self, patience_s: float) -> bool:
        with self._changed:
            self._asked += 1
            asked = self._asked
            self._changed.notify_all()
            return self._changed.wait_for(lambda: self._done >= asked, patience_s)

    def stop(self, patience_s: float) -> bool:
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(patience_s)
        return not self._thread.is_alive()

    def _repeat(self) -> None:
        while not self._stopped:
            asked = self._asked
            pause_s = self._action()
            with self._changed:
                self._done = asked
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._stopped or self._asked > self._done, pause_s)
