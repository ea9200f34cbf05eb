"""A clock that only its user moves, and sensors that know exactly what was used by it."""

from __future__ import annotations

import math
from bisect import bisect_right

from calexnet.devices.energy import SourceRecord
from calexnet.devices.pacing import Action, Pulse, Time
from calexnet.devices.sampling import Sensor


class SyntheticTime(Time):
    """Time that passes when somebody sleeps or works, with a device whose power is known.

    Attributes:
        power_w: What the device uses from now on; set it with `use`.
    """

    def __init__(self, power_w: float = 0.0) -> None:
        self._now_s = 1000.0
        self._pulses: list[SyntheticPulse] = []
        #: When the power changed, the joules used until then, and the power since.
        self._changes_s, self._joules, self._powers_w = [self._now_s], [0.0], [power_w]

    def now(self) -> float:
        return self._now_s

    def sleep(self, seconds: float) -> None:
        """Let time pass, sensors being read in between as they fall due."""
        until_s = self._now_s + seconds
        while True:
            due = min(self._pulses, key=lambda pulse: pulse.due_s, default=None)
            if due is None or due.due_s > until_s:
                break
            self._now_s = max(self._now_s, due.due_s)
            due.run()
            until_s += max(0.0, self._now_s - due.began_s)  # there is one core
        self._now_s = until_s

    def start(self, action: Action) -> Pulse:
        pulse = SyntheticPulse(self, action)
        self._pulses.append(pulse)
        pulse.run()
        return pulse

    def use(self, power_w: float) -> None:
        """Let the device use so much from now on."""
        self._joules.append(self.joules(self._now_s))
        self._changes_s.append(self._now_s)
        self._powers_w.append(power_w)

    def work(self, seconds: float, power_w: float) -> None:
        """Let the device work, then fall back to what it used before."""
        idle_w = self._powers_w[-1]
        self.use(power_w)
        self.sleep(seconds)
        self.use(idle_w)

    def joules(self, at_s: float) -> float:
        """Return what was used until `at_s`, exactly."""
        at = max(0, bisect_right(self._changes_s, at_s) - 1)
        return self._joules[at] + self._powers_w[at] * max(0.0, at_s - self._changes_s[at])

    def watts(self) -> float:
        """Return the power now."""
        return self._powers_w[-1]

    def forget(self, pulse: SyntheticPulse) -> None:
        """Read no more."""
        self._pulses.remove(pulse)


class HastyTime(SyntheticTime):
    """Time of which a little passes whenever somebody looks at it: real work seems to take long."""

    def now(self) -> float:
        self.sleep(0.005)
        return super().now()


class SyntheticPulse(Pulse):
    """A reading that falls due as time passes."""

    def __init__(self, time: SyntheticTime, action: Action) -> None:
        self._time, self._action = time, action
        self.due_s = self.began_s = math.inf

    def run(self) -> None:
        self.due_s = math.inf  # a reading that takes time does not interrupt itself
        self.began_s = self._time.now()
        try:
            self.due_s = self._time.now() + self._action()
        except Hang:
            self.due_s = math.inf

    def beat(self, patience_s: float) -> bool:
        self.run()
        return self.due_s < math.inf

    def stop(self, patience_s: float) -> bool:
        self._time.forget(self)
        return self.due_s < math.inf


class Hang(BaseException):
    """A reading that never comes back."""


class PowerMeter(Sensor):
    """Watts now, or their mean over some time; it may be told to fail."""

    def __init__(
        self, time: SyntheticTime, period_s: float = 0.01, averaging_s: float = 0.0
    ) -> None:
        self._time = time
        self.problem: Exception | Hang | float | None = None
        self.record = SourceRecord(
            "meter", "power", period_s, period_s, "all of it", averaging_s=averaging_s, limit_w=1e3
        )

    def read(self) -> float:
        if isinstance(self.problem, BaseException):
            raise self.problem
        if self.problem is not None:
            return self.problem
        over_s, now_s = self.record.averaging_s, self._time.now()
        if over_s == 0:
            return self._time.watts()
        return (self._time.joules(now_s) - self._time.joules(now_s - over_s)) / over_s


class Counter(Sensor):
    """Joules so far, as of the last tick; it may be told to fail."""

    def __init__(self, time: SyntheticTime, tick_s: float = 0.001, period_s: float = 0.01) -> None:
        self._time = time
        self.offset_j = 0.0
        self.problem: Exception | Hang | None = None
        self.record = SourceRecord("counter", "counter", period_s, tick_s, "all of it", limit_w=1e3)

    def read(self) -> float:
        if self.problem is not None:
            raise self.problem
        tick_s = self.record.tick_s
        return self._time.joules(self._time.now() // tick_s * tick_s) + self.offset_j
