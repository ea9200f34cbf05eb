"""The power chip of a Raspberry Pi 5, asked through its firmware (``vcgencmd pmic_read_adc``).

It lists currents (``VDD_CORE_A current(7)=0.75A``) and voltages (``VDD_CORE_V volt(15)=0.72V``);
older firmware leaves out the word in the middle. Rails with both are added up; the numbers in
brackets are channels and do not pair.
"""

from __future__ import annotations

import re

from calexnet.devices.base import Probe
from calexnet.devices.energy import SourceRecord
from calexnet.devices.sampling import Sensor, SensorError
from calexnet.devices.system import System

COMMAND = ("vcgencmd", "pmic_read_adc")
#: Each reading starts a process.
_PERIOD_S = 0.25
_LIMIT_W = 60.0
_LINE = re.compile(r"^\s*(\w+)_([AV])\s*(?:(?:current|volt)\(\d+\))?\s*=\s*(-?[\d.]+)[AV]\s*$")

NAME = "pmic"


class PmicSensor(Sensor):
    """The sum of the power chip's outputs."""

    def __init__(self, system: System, rails: tuple[str, ...]) -> None:
        self._system = system
        self.record = SourceRecord(
            name=NAME,
            kind="power",
            period_s=_PERIOD_S,
            tick_s=_PERIOD_S,
            covers="what the power chip gives to processor, memory and board; not its own loss, "
            "USB devices or what is plugged on top: less than a meter at the supply shows",
            rails=rails,
            total="sum",
            limit_w=_LIMIT_W,
        )

    def read(self) -> float:
        """Return the watts now.

        Raises:
            SensorError: The firmware lists no rail with current and voltage.
        """
        powers = rail_watts(self._system.run(*COMMAND))
        missing = [name for name in self.record.rails if name not in powers]
        if missing:
            raise SensorError(f"no current and voltage of {', '.join(missing)}")
        return sum(powers[name] for name in self.record.rails)


def rail_watts(listing: str) -> dict[str, float]:
    """Return the watts of every rail that is listed with current and voltage."""
    values: dict[str, dict[str, float]] = {"A": {}, "V": {}}
    for line in listing.splitlines():
        found = _LINE.match(line)
        if found:
            values[found[2]][found[1]] = float(found[3])
    amperes, volts = values["A"], values["V"]
    return {name: amperes[name] * volts[name] for name in amperes if name in volts}


def probe(system: System) -> Probe:
    """Ask the firmware once."""
    try:
        rails = tuple(rail_watts(system.run(*COMMAND)))
    except OSError as problem:
        return Probe(
            NAME, None, f"vcgencmd does not answer: {problem}", "sudo usermod -aG video $USER"
        )
    if not rails:
        return Probe(
            NAME,
            None,
            "the firmware lists no currents; boards before the Raspberry Pi 5 cannot measure them",
            "Use an external meter: --power-csv FILE",
        )
    return Probe(NAME, PmicSensor(system, rails))
