"""RAPL: the processor packages' own energy counters, Intel and AMD, from Linux's powercap tree.

After the kernel's documentation: Documentation/power/powercap/powercap.rst. AMD's packages appear
under the same names. Zones below a package (core, uncore) and psys overlap it and are never added.
"""

from __future__ import annotations

from calexnet.devices import host
from calexnet.devices.base import Probe
from calexnet.devices.energy import SourceRecord
from calexnet.devices.sampling import Sensor
from calexnet.devices.system import System

_ZONES = "/sys/class/powercap/intel-rapl:*"  # not intel-rapl-mmio:*, which repeats the package
_TICK_S = 0.001
_PERIOD_S = 0.01
_PACKAGE_LIMIT_W = 2_000.0

_METER = "Use an external meter: --power-csv FILE"
_MODULE = f"sudo modprobe intel_rapl_msr; if that does not help: {_METER}"

NAME = "rapl"


class RaplSensor(Sensor):
    """All packages' counters, added up; each wraps around at a range of its own.

    Args:
        system: Whose.
        zones: Their folders, by name.
        mirrors: How many others show what one of these shows.
    """

    def __init__(self, system: System, zones: dict[str, str], mirrors: int = 0) -> None:
        self._counters = [_Counter(system, path) for path in zones.values()]
        covers = "the processor packages; not memory, board or power supply"
        if mirrors:
            covers += f"; {mirrors} more of the zones show the same counter and are left out"
        self.record = SourceRecord(
            name=NAME,
            kind="counter",
            period_s=_PERIOD_S,
            tick_s=_TICK_S,
            covers=covers,
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
            f"the kernel shows no processor package under /sys/class/powercap{_why(system)}",
            _METER if _hopeless(system) else _MODULE,
        )
    try:
        single = _unmirrored(system, packages)
        sensor = RaplSensor(system, single, len(packages) - len(single))
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


def _unmirrored(system: System, packages: dict[str, str]) -> dict[str, str]:
    """Return the zones whose counters are their own.

    Each die of an AMD processor has a zone, and all of them show the one counter of the socket; on
    Intel each die has its own. A mirror's reading lies between two of the original's.
    """
    single: dict[str, str] = {}
    for name, path in packages.items():
        socket = [other for known, other in single.items() if _socket(known) == _socket(name)]
        if not any(_shows_the_same(system, other, path) for other in socket):
            single[name] = path
    return single


def _socket(name: str) -> str:
    """Return ``package-0`` of ``package-0-die-1``."""
    return name.partition("-die-")[0]


def _shows_the_same(system: System, one: str, other: str) -> bool:
    range_uj = int(system.read(f"{one}/max_energy_range_uj"))
    first, between, last = (int(system.read(f"{zone}/energy_uj")) for zone in (one, other, one))
    return (between - first) % range_uj <= (last - first) % range_uj


def _why(system: System) -> str:
    """Return why there is no package, where that is known."""
    if host.is_virtual(system):
        return "; this is a virtual machine, which has none"
    if not host.is_x86(system):
        return "; only processors of Intel and AMD have one"
    return ""


def _hopeless(system: System) -> bool:
    return host.is_virtual(system) or not host.is_x86(system)
