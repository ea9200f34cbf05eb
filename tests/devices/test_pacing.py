"""Real threads: what is repeated, asked for, ended, and left behind when it hangs."""

from __future__ import annotations

import threading

from calexnet.devices.energy import SourceRecord
from calexnet.devices.pacing import RealTime
from calexnet.devices.sampling import Sampling, Sensor


def test_an_action_is_repeated_on_a_thread_of_its_own_until_it_is_stopped() -> None:
    names: list[str] = []
    enough = threading.Event()

    def action() -> float:
        names.append(threading.current_thread().name)
        if len(names) >= 5:
            enough.set()
        return 0.001

    pulse = RealTime().start(action)
    assert enough.wait(10)
    assert pulse.stop(10)
    count = len(names)

    assert {"calexnet-sensor"} == set(names)
    RealTime().sleep(0.02)
    assert count == len(names)


def test_an_action_that_is_asked_for_is_done_before_the_answer() -> None:
    done: list[None] = []

    def action() -> float:
        done.append(None)
        return 3600.0

    pulse = RealTime().start(action)
    for _ in range(20):
        before = len(done)
        assert pulse.beat(10)
        assert len(done) > before
    assert pulse.stop(10)


def test_a_sensor_that_hangs_is_left_behind_and_the_window_says_so() -> None:
    release, reading = threading.Event(), threading.Event()

    class Hanging(Sensor):
        record = SourceRecord("hanging", "counter", 0.005, 0.001, "nothing")

        def __init__(self) -> None:
            self.count = 0

        def read(self) -> float:
            self.count += 1
            if self.count > 3:
                reading.set()
                release.wait(60)
            return float(self.count)

    time = RealTime()
    recording = Hanging().start(time)
    assert isinstance(recording, Sampling)
    start_s = recording.edge()
    assert reading.wait(10)
    end_s = recording.edge()
    recording.stop()

    found = recording.trace().energy(start_s, end_s)
    release.set()
    assert found.joules is None
    assert found.reason is not None
    assert "hanging: " in found.reason
    assert end_s - start_s >= 0.4, "the edge waited for its reading, but not for ever"
