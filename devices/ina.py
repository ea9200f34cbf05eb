"""INA3221 and INA238: the current monitors on Jetson boards, from Linux's hwmon tree.

After the kernel's documentation: Documentation/hwmon/ina3221.rst (millivolts and milliamperes, no
power of its own; channel 7 is a sum and no rail) and ina238.rst (microwatts).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from calexnet.devices.energy import SourceRecord, Total
from calexnet.devices.sampling import Sensor
from calexnet.devices.system import System

_DEVICES = "/sys/bus/i2c/devices/*-*"
_CHANNELS = (1, 2, 3)
_UNCONNECTED = "NC"
#: An INA238 has no label of its own; on Jetson Thor it watches the carrier's input.
_INPUT = "VIN"
#: A register takes half a millisecond on the bus: read more often, the probe would cost too much.
_LEAST_PERIOD_S = 0.05
_LIMIT_W = 500.0

NAME = "ina"


@dataclass(frozen=True)
class Rail:
    """One monitored rail: its name, and the files and scale that give its watts."""

    name: str
    chip: str
    files: tuple[str, ...]
    watts_per_unit: float
    interval_s: float

    def watts(self, system: System) -> float:
        """Return the power now.

        Raises:
            OSError, ValueError: A disabled channel, or no number.
        """
        power = self.watts_per_unit
        for path in self.files:
            power *= float(system.read(path))
        return power


class InaSensor(Sensor):
    """The sum of some rails, read one after the other."""

    def __init__(
        self, system: System, rails: tuple[Rail, ...], *, total: Total, covers: str
    ) -> None:
        self._system, self._rails = system, rails
        slowest_s = max(rail.interval_s for rail in rails)
        self.record = SourceRecord(
            name=" + ".join(dict.fromkeys(rail.chip for rail in rails)),
            kind="power",
            period_s=max(_LEAST_PERIOD_S, slowest_s),
            tick_s=slowest_s,
            averaging_s=slowest_s,
            covers=covers,
            rails=tuple(rail.name for rail in rails),
            total=total,
            limit_w=_LIMIT_W,
        )

    def read(self) -> float:
        """Return the watts now."""
        return sum(rail.watts(self._system) for rail in self._rails)


def rails(system: System) -> tuple[dict[str, Rail], dict[str, str]]:
    """Return the rails that can be read by name, and why others cannot."""
    found: dict[str, Rail] = {}
    refused: dict[str, str] = {}
    for rail in _candidates(system):
        try:
            rail.watts(system)
            found[rail.name] = rail
        except (OSError, ValueError) as problem:
            refused[f"rail {rail.name}"] = f"{rail.chip}: {problem}"
    return found, refused | _nameless(system)


def power_now(system: System, found: Mapping[str, Rail]) -> dict[str, float]:
    """Return the watts of every rail that answers now."""
    now = {}
    for name, rail in found.items():
        try:
            now[name] = rail.watts(system)
        except (OSError, ValueError):
            continue
    return now


def _candidates(system: System) -> list[Rail]:
    found = []
    for device in system.glob(_DEVICES):
        chip = system.text(f"{device}/name")
        for monitor in system.glob(f"{device}/hwmon/hwmon*"):
            interval_s = (system.number(f"{monitor}/update_interval") or 0.0) / 1e3
            if chip == "ina3221":
                found += _ina3221(system, monitor, interval_s)
            elif chip == "ina238":
                found.append(Rail(_INPUT, chip, (f"{monitor}/power1_input",), 1e-6, interval_s))
    return found


def _nameless(system: System) -> dict[str, str]:
    """Return the chips whose channels have no labels, so that nobody knows what they are."""
    return {
        f"rails of {device.rpartition('/')[2]}": "ina3221: no channel has a label (in1_label); "
        "the device tree of this board or release names none"
        for device in system.glob(_DEVICES)
        if system.text(f"{device}/name") == "ina3221"
        for monitor in system.glob(f"{device}/hwmon/hwmon*")
        if all(system.text(f"{monitor}/in{n}_label") is None for n in _CHANNELS)
    }


def _ina3221(system: System, monitor: str, interval_s: float) -> list[Rail]:
    labels = {n: system.text(f"{monitor}/in{n}_label") for n in _CHANNELS}
    return [
        Rail(
            label,
            "ina3221",
            (f"{monitor}/in{n}_input", f"{monitor}/curr{n}_input"),
            1e-6,
            interval_s,
        )
        for n, label in labels.items()
        if label and label != _UNCONNECTED
    ]
