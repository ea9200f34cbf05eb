"""The processor, described from trees of files like the system's, and from this machine."""

from __future__ import annotations

import os
import platform
import sys
from collections import namedtuple
from pathlib import Path
from types import ModuleType

import pytest

from calexnet.devices import host
from calexnet.devices.base import Clock, DeviceRecord
from calexnet.devices.cpu import CpuDevice
from calexnet.devices.system import System
from calexnet.files import schema
from tests.devices.conftest import Tree, write

ZONE = "/sys/class/thermal/thermal_zone0"
POLICY = "/sys/devices/system/cpu/cpufreq/policy0"


def test_a_system_that_says_all(tree: Tree) -> None:
    found = CpuDevice(tree("intel")).describe()

    assert ("cpu", "13th Gen Intel(R) Core(TM) i7-1365U", "Linux 6.8.0-45-generic") == (
        found.name,
        found.model,
        found.system,
    )
    assert 32594504 * 1024 == found.memory_bytes
    assert Clock("cpu0", 2100.0, 400.0, 5200.0, "powersave") == found.state.clocks[0]
    assert {
        "x86_pkg_temp": 47.0,
        "coretemp Package id 0": 47.0,
        "coretemp Core 0": 45.0,
    } == found.state.temperatures_c, "the disk's is none of the processor"
    assert {"the processor's package got too hot": 3} == found.state.throttle_events
    assert 0.08 == found.state.load
    assert {} == found.unreadable


def test_a_system_that_says_nothing_gives_reasons_and_never_a_zero(tree: Tree) -> None:
    found = CpuDevice(tree("bare")).describe()

    assert ((), {}, None) == (
        found.state.clocks,
        found.state.temperatures_c,
        found.state.throttled,
    )
    assert {"clock", "temperature", "throttling"} == set(found.unreadable)


@pytest.mark.parametrize("text", ["", "unknown\n", "<unsupported>\n", "-274000000\n"])
def test_a_sensor_that_answers_no_number_counts_as_missing(tree: Tree, text: str) -> None:
    system = tree("bare")
    write(system, f"{POLICY}/scaling_cur_freq", "" if "-" in text else text)
    write(system, f"{ZONE}/type", "soc")
    write(system, f"{ZONE}/temp", text)
    write(system, "/sys/class/thermal/thermal_zone2/type", "board")
    write(system, "/sys/class/thermal/thermal_zone2/temp", "38000")

    now = CpuDevice(system).state()

    assert ((), {"board": 38.0}) == (now.clocks, now.temperatures_c)


def test_a_board_says_its_own_name(tree: Tree) -> None:
    assert "Raspberry Pi 5 Model B Rev 1.0" == CpuDevice(tree("raspberrypi5")).describe().model


def test_this_machine_is_described_and_fits_a_report() -> None:
    found = CpuDevice(System()).describe()

    assert found == schema.decode(DeviceRecord, schema.encode(found))
    assert host.available_cores() == found.cores >= 1
    assert found.model
    assert platform.machine() in found.system
    assert found.memory_bytes is None or found.memory_bytes > 2**20


def test_only_cores_that_this_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert 3 == host.available_cores()

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert 1 == host.available_cores()


def test_psutil_fills_in_what_the_files_do_not_say(
    tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For this machine alone: a recorded tree stays what was recorded."""
    speed = namedtuple("speed", "current")
    reading = namedtuple("reading", "label current")
    memory = namedtuple("memory", "total")
    extra = ModuleType("psutil")
    extra.__dict__.update(
        cpu_freq=lambda: speed(2500.0),
        sensors_temperatures=lambda: {"acpi": [reading("", 44.0), reading("board", 41.0)]},
        virtual_memory=lambda: memory(12345),
    )
    monkeypatch.setitem(sys.modules, "psutil", extra)

    found = CpuDevice(System(tmp_path)).describe()

    assert (Clock("cpu", 2500.0),) == found.state.clocks
    assert {"acpi": 44.0, "acpi board": 41.0} == found.state.temperatures_c
    assert () == CpuDevice(tree("bare")).state().clocks


def test_without_psutil_nothing_is_filled_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psutil", None)

    now = CpuDevice(System(tmp_path)).state()

    assert ((), {}) == (now.clocks, now.temperatures_c)
