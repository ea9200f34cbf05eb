"""What every Linux machine says of its processor: model, memory, clocks, temperatures, load.

psutil, where it is installed, fills in what this machine's files do not say.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from typing import Any

from calexnet.devices.base import Clock, DeviceState
from calexnet.devices.system import System

_POLICIES = "/sys/devices/system/cpu/cpufreq/policy*"
_ZONES = "/sys/class/thermal/thermal_zone*"
_MONITORS = "/sys/class/hwmon/hwmon*"
_THROTTLE_COUNT = "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
#: hwmon drivers that measure a processor; others are disks, networks and power supplies.
_CPU_MONITORS = ("coretemp", "k10temp", "zenpower")
_IMPLAUSIBLE_C = 150.0


@dataclass(frozen=True)
class Host:
    """What does not change about the processor's side of a machine."""

    model: str
    system: str
    cores: int
    memory_bytes: int | None


def host(system: System) -> Host:
    """Return what does not change."""
    return Host(_model(system), _system_name(system), available_cores(), _memory_bytes(system))


def state(system: System) -> DeviceState:
    """Return clocks, temperatures, load and throttling now."""
    throttle_count = system.number(_THROTTLE_COUNT)
    return DeviceState(
        load=_load(system),
        clocks=_clocks(system),
        temperatures_c=_temperatures_c(system),
        throttle_events={}
        if throttle_count is None
        else {"the processor's package got too hot": int(throttle_count)},
    )


def unreadable(system: System, now: DeviceState) -> dict[str, str]:
    """Return what cannot be read of the processor, and why."""
    missing = {}
    if not now.clocks:
        missing["clock"] = f"nothing under {_POLICIES}; virtual machines seldom show it"
    elif all(clock.governor is None for clock in now.clocks):
        missing["governor"] = f"no scaling_governor under {_POLICIES}"
    if not now.temperatures_c:
        missing["temperature"] = f"no sensor under {_ZONES} or {_MONITORS}"
    missing |= _silent_zones(system)
    if now.throttled is None and not now.throttle_events:
        missing["throttling"] = "no counter of throttling that is known here"
    return missing


@dataclass(frozen=True)
class ProcessorTimes:
    """Seconds since start that the cores of this process were used, all cores together.

    Attributes:
        cores: That this process may use.
        busy_s: By anyone on this machine, this process too.
        steal_s: Taken away by what hosts this virtual machine.
    """

    cores: int
    busy_s: float
    steal_s: float


def processor_times(system: System) -> ProcessorTimes | None:
    """Return how the cores of this process were used so far, None where the system does not say."""
    if system.tree is not None:  # a recording stands still
        return None
    mine = _own_cores()
    ticks_s = 1.0 / os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 0.01
    busy = steal = 0.0
    seen = 0
    for line in (system.text("/proc/stat") or "").splitlines():
        name, *counts = line.split()
        if (
            name.startswith("cpu")
            and name[3:].isdigit()
            and (mine is None or int(name[3:]) in mine)
        ):
            user, nice, kernel, _idle, _wait, hard, soft, stolen = map(int, counts[:8])
            busy += (user + nice + kernel + hard + soft) * ticks_s
            steal += stolen * ticks_s
            seen += 1
    return ProcessorTimes(seen, busy, steal) if seen else None


def is_x86(system: System) -> bool:
    """Return whether the processor is of Intel's kind; one without a device tree usually is."""
    machine = system.text("/proc/sys/kernel/arch")  # Linux 6.1 and later
    if machine is None and system.tree is None:
        machine = platform.machine()
    if machine is None:
        return system.text("/proc/device-tree/model") is None
    return machine.lower() in ("x86_64", "amd64", "i686", "i386")


def is_virtual(system: System) -> bool:
    """Return whether the processor says that it is a virtual machine's; only Intel's kind does."""
    return re.search(r"\bhypervisor\b", _cpuinfo(system)) is not None  # a flag


def available_cores() -> int:
    """Return how many cores this process may use."""
    mine = _own_cores()
    return (os.cpu_count() or 1) if mine is None else len(mine)


def _own_cores() -> set[int] | None:
    return set(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _cpuinfo(system: System) -> str:
    return system.text("/proc/cpuinfo") or ""


def _model(system: System) -> str:
    """Return the board's name where there is one (Arm), else the processor's."""
    board = system.text("/proc/device-tree/model")
    if board:
        return board
    for line in _cpuinfo(system).splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _system_name(system: System) -> str:
    kernel = system.text("/proc/sys/kernel/osrelease") or platform.release()
    machine = "" if system.tree is not None else f" {platform.machine()}"
    return f"{platform.system()} {kernel}{machine}"


def _memory_bytes(system: System) -> int | None:
    found = re.search(r"^MemTotal:\s*(\d+) kB", system.text("/proc/meminfo") or "", re.MULTILINE)
    if found:
        return int(found[1]) * 1024
    extra = _psutil(system)
    return None if extra is None else int(extra.virtual_memory().total)


def _load(system: System) -> float:
    text = system.text("/proc/loadavg")
    return float(text.split()[0]) if text else os.getloadavg()[0]


def _clocks(system: System) -> tuple[Clock, ...]:
    clocks = tuple(_policy(system, path) for path in system.glob(_POLICIES))
    known = tuple(clock for clock in clocks if clock.mhz is not None)
    extra = None if known else _psutil(system)
    speed = extra.cpu_freq() if extra is not None else None
    return (Clock("cpu", float(speed.current)),) if speed else known


def _policy(system: System, path: str) -> Clock:
    cores = (system.text(f"{path}/affected_cpus") or path.rpartition("policy")[2]).split()
    name = f"cpu{cores[0]}" if len(cores) == 1 else f"cpu{cores[0]}-{cores[-1]}"
    return Clock(
        name,
        _mhz(system, f"{path}/scaling_cur_freq"),
        _mhz(system, f"{path}/scaling_min_freq"),
        _mhz(system, f"{path}/scaling_max_freq"),
        system.text(f"{path}/scaling_governor"),
    )


def _mhz(system: System, path: str) -> float | None:
    khz = system.number(path)
    return None if khz is None else khz / 1e3


def _temperatures_c(system: System) -> dict[str, float]:
    """Return what the sensors say; one that is switched off answers with an error."""
    found: dict[str, float] = {}
    for zone in system.glob(_ZONES):
        _add(found, system.text(f"{zone}/type"), system.number(f"{zone}/temp"))
    for monitor in system.glob(_MONITORS):
        driver = system.text(f"{monitor}/name")
        if driver in _CPU_MONITORS:
            for path in system.glob(f"{monitor}/temp*_input"):
                label = system.text(path.replace("_input", "_label")) or "temperature"
                _add(found, f"{driver} {label}", system.number(path))
    extra = None if found else _psutil(system)
    if extra is not None and hasattr(extra, "sensors_temperatures"):  # Linux and FreeBSD only
        for driver, readings in extra.sensors_temperatures().items():
            for reading in readings:
                _add(found, f"{driver} {reading.label}".strip(), 1e3 * reading.current)
    return found


def _silent_zones(system: System) -> dict[str, str]:
    """Return the zones that answer with an error, as a unit's does while it is switched off."""
    silent = {}
    for zone in system.glob(_ZONES):
        try:
            system.read(f"{zone}/temp")
        except OSError as refused:
            silent[f"temperature of {system.text(f'{zone}/type')}"] = str(refused.strerror)
    return silent


def _add(found: dict[str, float], name: str | None, milli_c: float | None) -> None:
    if name and milli_c is not None and abs(milli_c) / 1e3 < _IMPLAUSIBLE_C:
        found[name] = milli_c / 1e3


def _psutil(system: System) -> Any:
    """Return psutil, None if it is not installed or a recorded tree is read."""
    if system.tree is not None:
        return None
    try:
        import psutil
    except ImportError:
        return None
    return psutil
