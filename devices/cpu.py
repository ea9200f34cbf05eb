"""A plain processor: described from what the system says, without an energy sensor yet."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from calexnet.devices.base import Device, DeviceRecord, EnergyReading

_CPU = Path("/sys/devices/system/cpu/cpu0/cpufreq")
_THERMAL = Path("/sys/class/thermal")


class CpuDevice(Device):
    """The processor that this process runs on."""

    def describe(self) -> DeviceRecord:
        """Return what is known of the machine now."""
        clock_khz = _number(_CPU / "scaling_cur_freq")
        return DeviceRecord(
            name="cpu",
            model=_model(),
            system=f"{platform.system()} {platform.release()} {platform.machine()}",
            cores=available_cores(),
            memory_bytes=_memory_bytes(),
            governor=_text(_CPU / "scaling_governor"),
            clock_mhz=None if clock_khz is None else clock_khz / 1e3,
            temperature_c=_temperature_c(),
            load=os.getloadavg()[0],
        )

    def read_energy(self) -> EnergyReading:
        """Return no joules: this device reads no power sensor."""
        return EnergyReading(None, "the cpu device reads no power sensor")


def detect() -> CpuDevice:
    """Return the processor; every machine has one."""
    return CpuDevice()


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _model() -> str:
    """Return the board's name where there is one (Arm), else the processor's."""
    board = _text(Path("/proc/device-tree/model"))
    if board:
        return board.rstrip("\0")
    for line in (_text(Path("/proc/cpuinfo")) or "").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_bytes() -> int | None:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def _temperature_c() -> float | None:
    readings = [_number(zone / "temp") for zone in sorted(_THERMAL.glob("thermal_zone*"))]
    known = [reading for reading in readings if reading is not None]
    return max(known) / 1e3 if known else None


def _number(path: Path) -> float | None:
    text = _text(path)
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return None
