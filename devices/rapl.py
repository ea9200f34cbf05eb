"""RAPL: the processor packages' own energy counters, Intel and AMD, from Linux's powercap tree.

After the kernel's documentation: Documentation/power/powercap/powercap.rst. AMD's packages appear
under the same names. Zones below a package (core, uncore) and psys overlap it and are never added.
"""

from __future__ import annotations

from calexnet.devices.base import Probe
from calexnet.devices.energy import SourceRecord
from calexnet.devices.sampling import Sensor
from calexnet.devices.system import System

_ZONES = "/sys/class/powercap/intel-rapl:*"  # not intel-rapl-mmio:*, which repeats the package
_TICK_S = 0.001
_PERIOD_S = 0.01
_PACKAGE_LIMIT_W = 2_000.0

NAME = "rapl"


class RaplSensor(Sensor):
    """All packages' counters, added up; each wraps around at a range of its own."""

    def __init__(self, system: System, zones: dict[str, str]) -> None:
        self._counters = [_Counter(system, path) for path in zones.values()]
        self.record = SourceRecord(
            name=NAME,
            kind="counter",
            period_s=_PERIOD_S,
            tick_s=_TICK_S,
            covers="the processor packages; not memory, board or power supply",
            rails=tuple(zones),
            total="measured" if len(zones) == 1 else "sum",
            limit_w=_PACKAGE_LIMIT_W * len(zones),
        )

    def read(self) -> float:
        """Return the joules since the first reading."""
        return sum(counter.joules() for counter in self._counters)


class _Counter:
    """One package's counter, made to rise for ever."""

    def __init__(self, system: System, zone: str) -> None:
        self._system, self._path = system, f"{zone}/energy_uj"
        self._range_uj = int(system.read(f"{zone}/max_energy_range_uj"))
        self._last_uj: int | None = None
        self._sum_uj = 0

    def joules(self) -> float:
        """Return the joules since the first reading."""
        now_uj = int(self._system.read(self._path))
        if self._last_uj is not None:
            self._sum_uj += (now_uj - self._last_uj) % self._range_uj
        self._last_uj = now_uj
        return self._sum_uj / 1e6


def probe(system: System) -> Probe:
    """Look for readable packages."""
    zones = {system.text(f"{path}/name") or "": path for path in system.glob(_ZONES)}
    packages = {name: path for name, path in zones.items() if name.startswith("package-")}
    if not packages:
        return Probe(
            NAME,
            None,
            "the kernel shows no processor package under /sys/class/powercap; "
            "virtual machines seldom have one",
            "sudo modprobe intel_rapl_msr  # on a real machine, Intel or AMD",
        )
    try:
        sensor = RaplSensor(system, packages)
        sensor.read()
    except PermissionError as refused:
        return Probe(
            NAME,
            None,
            f"no permission to read {refused.filename}",
            "sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj  # until the next start",
        )
    except (OSError, ValueError) as problem:
        return Probe(NAME, None, f"the counter of {', '.join(packages)} cannot be read: {problem}")
    return Probe(NAME, sensor)
