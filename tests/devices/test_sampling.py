"""When a sensor is read, and what its readings cost."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.devices.sampling import Sampling
from tests.support.synthetic_power import Counter, PowerMeter, SyntheticTime


def sampled(period_s: float, seconds: float) -> Sampling:
    time = SyntheticTime(5.0)
    recording = PowerMeter(time, period_s).start(time)
    assert isinstance(recording, Sampling)
    time.sleep(seconds)
    recording.stop()
    return recording


def test_a_sensor_is_read_once_a_period_at_a_random_moment_of_it() -> None:
    times = sampled(0.1, 100.0).trace().times_s

    phase = (times[1:] - times[0]) / 0.1 % 1.0
    assert pytest.approx(1000, abs=3) == len(times)
    counts, _ = np.histogram(phase, bins=10, range=(0, 1))
    assert counts.min() > 60, "every part of the period has its share"
    assert [1] * 998 == np.bincount(((times[1:] - times[0]) / 0.1).astype(int))[1:999].tolist()


def test_work_as_fast_as_the_sensor_is_not_always_caught_in_the_same_part() -> None:
    """Half of each period at 2 W, half at 10 W: 6 W in the mean."""
    time = SyntheticTime(0.0)
    recording = PowerMeter(time, 0.01).start(time)
    start_s = recording.edge()
    for _ in range(2000):
        time.work(0.005, 2.0)
        time.work(0.005, 10.0)
    end_s = recording.edge()
    recording.stop()

    found = recording.trace([]).energy(start_s, end_s)
    assert pytest.approx(6.0 * (end_s - start_s), rel=0.03) == found.joules


def test_a_counter_is_read_at_an_edge_and_a_meter_is_not() -> None:
    time = SyntheticTime(5.0)
    counting, metering = Counter(time).start(time), PowerMeter(time, 60.0).start(time)
    time.sleep(0.0321)

    assert counting.edge() == time.now() == metering.edge()
    counting.stop()
    metering.stop()
    assert time.now() in counting.trace([]).times_s
    assert time.now() not in metering.trace([]).times_s


def test_what_readings_took_is_told() -> None:
    time = SyntheticTime(5.0)

    class Slow(PowerMeter):
        def read(self) -> float:
            time.sleep(0.004)
            return super().read()

    recording = Slow(time, 0.1).start(time)
    time.sleep(10.0)
    recording.stop()

    cost = recording.cost()
    assert pytest.approx(100, abs=4) == cost.readings
    assert pytest.approx(4.0) == cost.read_ms
    assert 0.0 <= cost.cpu_share < 1.0
