"""The watch on the machine: real counters, and a device that says what it is told to."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from calexnet.bench.measuring import conditions
from calexnet.bench.measuring.conditions import Look, Watch
from calexnet.bench.report.validity import Span
from calexnet.devices import host
from calexnet.devices.base import Clock, DeviceState
from calexnet.devices.cpu import CpuDevice
from calexnet.devices.system import System

IDLE = DeviceState(0.1, throttle_events={"heat": 3})


class Told(CpuDevice):
    """A processor that goes through these states."""

    def __init__(self, *states: DeviceState) -> None:
        super().__init__()
        self.states = iter(states)

    def state(self) -> DeviceState:
        return next(self.states)


def at(mhz: float, celsius: float, **more: object) -> DeviceState:
    clock = Clock("cpu0", mhz, 600, 2400, "schedutil")
    return DeviceState(1.0, (clock,), {"soc": celsius}, **more)  # type: ignore[arg-type]


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conditions, "_PERIOD_S", 0.0)


@pytest.mark.usefixtures("hurried")
def test_the_extremes_at_work_are_noted() -> None:
    watch = Watch(Told(at(2400, 50), at(1800, 71), at(2000, 60, throttled=("heat",))))
    for _ in range(3):
        watch.look()

    found = watch.found(IDLE, DeviceState(0.1, throttle_events={"heat": 4}))

    assert 3 == found.looks
    assert {"cpu0": Span(1800, 2400)} == found.clocks_mhz
    assert {"cpu0": "schedutil"} == found.governors
    assert 71 == found.hottest_c
    assert ("heat",) == found.slowed_down


@pytest.mark.usefixtures("hurried")
def test_foreign_processes_of_any_moment_are_noted_once() -> None:
    busy = DeviceState(1.0, foreign=("7 python",))
    watch = Watch(Told(busy, busy))
    watch.look()
    watch.look()

    assert ("7 python", "8 make") == watch.found(
        IDLE, DeviceState(1.0, foreign=("8 make",))
    ).foreign


@pytest.mark.usefixtures("hurried")
def test_what_an_earlier_run_saw_is_judged_too() -> None:
    """It was throttled twice, hot, and others used a quarter of its cores' time."""
    earlier = [
        Look(at(2400, 95, throttle_events={"power": 1}), 4e9, 1e9, 0.0),
        Look(None, 4e9, 1e9, 0.0),
        Look(at(900, 60, throttled=("heat",), throttle_events={"power": 2}), 0.0, 0.0, 0.0),
    ]
    watch = Watch(Told(at(2400, 50)))
    watch.remember(earlier)
    watch.look()

    found = watch.found(IDLE, IDLE)

    assert (3, 95, {"power", "heat"}) == (found.looks, found.hottest_c, {*found.slowed_down})
    assert {"cpu0": Span(900, 2400)} == found.clocks_mhz
    assert pytest.approx(0.25, abs=1e-3) == found.foreign_share


@pytest.mark.usefixtures("hurried")
def test_a_look_is_what_happened_since_the_last_one() -> None:
    watch = Watch(CpuDevice())
    [*burning(0.2)]
    looks = [watch.look(), watch.look()]

    assert looks[0].state is not None
    assert 0.2 * len(os.sched_getaffinity(0)) <= looks[0].cores_s
    assert looks[1].cores_s < looks[0].cores_s


def test_the_device_is_looked_at_rarely() -> None:
    watch = Watch(Told(at(1, 1), at(2, 2)))
    for _ in range(1000):
        watch.look()

    assert 1 == watch.found(IDLE, IDLE).looks


def burning(seconds: float) -> Iterator[int]:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        yield sum(range(1000))


def test_own_work_is_not_foreign_and_that_of_others_is() -> None:
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        watch = Watch(CpuDevice())
        child = os.fork()
        if child == 0:
            [*burning(1.0)]
            os._exit(0)
        [*burning(1.0)]
        os.waitpid(child, 0)
        shared = watch.found(IDLE, IDLE).foreign_share
    finally:
        os.sched_setaffinity(0, cores)

    assert shared is not None
    assert 0.25 < shared < 1, "two processes took turns on one core"


def test_the_processors_counters_only_rise() -> None:
    before = host.processor_times(CpuDevice().system)
    [*burning(0.2)]
    after = host.processor_times(CpuDevice().system)

    assert before is not None
    assert after is not None
    assert len(os.sched_getaffinity(0)) == before.cores == after.cores
    assert 0.1 < after.busy_s - before.busy_s
    assert before.steal_s <= after.steal_s


def test_a_quota_that_holds_the_process_back_is_counted_over_the_run(tmp_path: Path) -> None:
    """Four periods before the run do not count, seven within it do."""
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    (group / "cpu.max").write_text("50000 100000")
    (group / "cpu.stat").write_text("nr_throttled 4")
    watch = Watch(CpuDevice(System(tmp_path)))

    (group / "cpu.stat").write_text("nr_throttled 9")
    assert 5 == watch.look().held
    (group / "cpu.stat").write_text("nr_throttled 11")
    found = watch.found(IDLE, IDLE)

    assert (0.5, 7, None) == (found.quota_cores, found.quota_periods, found.emulated)


def test_an_emulated_processor_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "sys/devices/system/cpu/modalias"
    path.parent.mkdir(parents=True)
    path.write_text(f"cpu:type:{'aarch64' if platform.machine() == 'x86_64' else 'x86'}:feature:")

    found = Watch(CpuDevice(System(tmp_path))).found(IDLE, IDLE)

    assert found.emulated in ("aarch64", "x86")
    assert (None, None) == (found.quota_cores, found.quota_periods)
