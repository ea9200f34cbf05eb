"""The processor, described from a tree of files like the system's."""

# The expected value comes first in every comparison.
from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from calexnet import schema
from calexnet.devices import cpu
from calexnet.devices.base import DeviceRecord, EnergyReading
from calexnet.devices.cpu import CpuDevice

CPUINFO = "processor\t: 0\nmodel name\t: Toy: CPU @ 2.40GHz\nprocessor\t: 1\nmodel name\t: Other\n"


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of an empty system; fill it with `put`."""
    monkeypatch.setattr(cpu, "_CPU", tmp_path / "cpufreq")
    monkeypatch.setattr(cpu, "_THERMAL", tmp_path / "thermal")
    genuine = cpu._text
    monkeypatch.setattr(
        cpu,
        "_text",
        lambda path: (
            genuine(tmp_path / path.relative_to("/"))
            if path.is_relative_to("/proc")
            else genuine(path)
        ),
    )
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_system_that_says_all(system: Path) -> None:
    put(system / "cpufreq/scaling_governor", "performance\n")
    put(system / "cpufreq/scaling_cur_freq", "1800500\n")
    put(system / "thermal/thermal_zone0/temp", "41000\n")
    put(system / "thermal/thermal_zone1/temp", "55250\n")
    put(system / "thermal/cooling_device0/temp", "99000\n")
    put(system / "proc/cpuinfo", CPUINFO)

    found = CpuDevice().describe()

    assert ("performance", 1800.5, 55.25, "Toy: CPU @ 2.40GHz") == (
        found.governor,
        found.clock_mhz,
        found.temperature_c,
        found.model,
    )


def test_a_system_that_says_nothing_gives_none_and_never_a_zero(
    system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> int:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", fail)

    found = CpuDevice().describe()

    assert (None, None, None, None) == (
        found.governor,
        found.clock_mhz,
        found.temperature_c,
        found.memory_bytes,
    )
    assert (platform.processor() or platform.machine()) == found.model


@pytest.mark.parametrize("text", ["", "unknown\n", "<unsupported>\n"])
def test_a_sensor_that_answers_no_number_counts_as_missing(system: Path, text: str) -> None:
    put(system / "cpufreq/scaling_cur_freq", text)
    put(system / "thermal/thermal_zone0/temp", text)
    (system / "thermal/thermal_zone1").mkdir()
    put(system / "thermal/thermal_zone2/temp", "38000")

    found = CpuDevice().describe()

    assert (None, 38.0) == (found.clock_mhz, found.temperature_c)


def test_a_board_says_its_own_name(system: Path) -> None:
    put(system / "proc/cpuinfo", CPUINFO)
    put(system / "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")

    assert "Raspberry Pi 5 Model B Rev 1.0" == CpuDevice().describe().model


def test_this_machine_is_described_and_fits_a_report() -> None:
    found = CpuDevice().describe()

    assert found == schema.decode(DeviceRecord, schema.encode(found))
    assert cpu.available_cores() == found.cores >= 1
    assert found.model
    assert platform.machine() in found.system
    assert found.memory_bytes is None or found.memory_bytes > 2**20


def test_only_cores_that_this_process_may_use_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5, 7}, raising=False)
    assert 3 == cpu.available_cores()

    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert 1 == cpu.available_cores()


def test_there_are_no_joules_and_a_reason() -> None:
    expected = EnergyReading(None, "the cpu device reads no power sensor")

    assert expected == CpuDevice().read_energy()
