"""Sensors that are read time and again, on a thread beside the work that they measure."""

from __future__ import annotations

import math
import random
import threading
import time as cpu
from abc import abstractmethod
from collections.abc import Sequence

import numpy as np

from calexnet.devices.energy import EnergySource, Recording, RecordingCost, Span, Trace
from calexnet.devices.pacing import Time

#: How long an edge may wait for its reading; a sensor slower than that hangs.
_PATIENCE_S = 0.5
#: A meter may show a little less than nothing: its zero is not exact.
_NEGATIVE_SHARE = 0.05


class SensorError(Exception):
    """A sensor that did not give a reading; the message says why."""


class Sensor(EnergySource):
    """A source that is read time and again; a variant says how it is read once."""

    @abstractmethod
    def read(self) -> float:
        """Return joules so far, or watts now. Called from one thread at a time.

        Raises:
            SensorError, OSError, ValueError: There is no reading.
        """

    def start(self, time: Time) -> Recording:
        """Begin to read, on a thread of its own."""
        return Sampling(self, time)


class Sampling(Recording):
    """Readings of one sensor, each at a random moment of its own period.

    Work that repeats as fast as the sensor is read would else always be caught in the same part.
    """

    def __init__(self, sensor: Sensor, time: Time) -> None:
        self._sensor, self._time = sensor, time
        self._lock = threading.Lock()
        self._times: list[float] = []
        self._values: list[float] = []
        self._faults: list[tuple[float, str]] = []
        self._random = random.Random(0)
        self._cpu_s = self._read_s = 0.0
        self._started_s = time.now()
        self._stopped_s: float | None = None
        self._hangs = False
        self._pulse = time.start(self._take)

    def edge(self) -> float:
        """Return now; of a counter, have it read now and return the moment of that.

        Watts are not read at an edge: the device always rests there, and that would count as work.
        """
        if self._sensor.record.kind == "power":
            return self._time.now()
        asked_s = self._time.now()
        if not self._hangs:
            self._hangs = not self._pulse.beat(_PATIENCE_S)
        with self._lock:
            taken_s = self._times[-1] if self._times else -math.inf
        return taken_s if taken_s >= asked_s else self._time.now()

    def stop(self) -> None:
        """End the readings."""
        self._pulse.stop(_PATIENCE_S)
        self._stopped_s = self._time.now()

    def trace(self, busy: Sequence[Span] = (), idle: Sequence[Span] | None = None) -> Trace:
        """Return all readings."""
        with self._lock:
            return Trace(
                self._sensor.record,
                np.array(self._times),
                np.array(self._values),
                tuple(self._faults),
            )

    def cost(self) -> RecordingCost:
        """Return what the readings took."""
        with self._lock:
            count = len(self._times) + len(self._faults)
            end_s = self._time.now() if self._stopped_s is None else self._stopped_s
            wall_s = max(end_s - self._started_s, 1e-9)
            return RecordingCost(count, self._read_s / max(count, 1) * 1e3, self._cpu_s / wall_s)

    def _take(self) -> float:
        """Take one reading and return the pause until the next."""
        start_s, cpu_s = self._time.now(), cpu.thread_time()
        try:
            value = float(self._sensor.read())
            problem = None
        except (SensorError, OSError, ValueError) as refused:
            value, problem = math.nan, f"the sensor gave no reading ({refused})"
        end_s = self._time.now()
        with self._lock:
            self._read_s += end_s - start_s
            self._cpu_s += cpu.thread_time() - cpu_s
            self._keep((start_s + end_s) / 2, value, problem)
        return self._pause_s(end_s)

    def _keep(self, at_s: float, value: float, problem: str | None) -> None:
        problem = problem or self._implausible(at_s, value)
        if problem is not None:
            self._faults.append((at_s, problem))
        if not math.isnan(value):
            self._times.append(at_s)
            self._values.append(value)

    def _implausible(self, at_s: float, value: float) -> str | None:
        limit_w = self._sensor.record.limit_w
        if not math.isfinite(value):
            return f"the sensor said {value}"
        if self._sensor.record.kind == "power":
            fits = -_NEGATIVE_SHARE * limit_w <= value <= limit_w
            return None if fits else f"a reading of {value:.4g} W cannot be"
        if not self._times:
            return None
        gone_s = max(at_s - self._times[-1], self._sensor.record.tick_s)
        used_j = value - self._values[-1]
        fits = 0 <= used_j <= limit_w * gone_s
        return None if fits else f"the counter jumped by {used_j:.4g} J in {gone_s:.3g} s"

    def _pause_s(self, now_s: float) -> float:
        period_s = self._sensor.record.period_s
        number = math.floor((now_s - self._started_s) / period_s) + 1
        return self._started_s + (number + self._random.random()) * period_s - now_s
