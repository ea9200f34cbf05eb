"""Raspberry Pi: the power chip of a Pi 5, and the firmware's throttling flags on all of them."""

from __future__ import annotations

import re
from dataclasses import replace

from calexnet.devices import host, pmic
from calexnet.devices.base import AbsentError, Device, DeviceRecord, DeviceState, Probe
from calexnet.devices.system import System

_MODEL = "/proc/device-tree/model"
_THROTTLED = ("vcgencmd", "get_throttled")
#: Bits of the firmware's word, after its documentation; 16 up the same, since start.
_FLAGS = {
    0: "the supply's voltage is too low",
    1: "the processor's clock is capped",
    2: "the processor is throttled",
    3: "the soft temperature limit is reached",
}
_SINCE_START = 16


class RaspberryPiDevice(Device):
    """A Raspberry Pi board."""

    name = "raspberrypi"

    def describe(self) -> DeviceRecord:
        """Return what is known of the board now."""
        found, now = host.host(self.system), self.state()
        unreadable = host.unreadable(self.system, now)
        if now.throttled is None:
            unreadable["throttling"] = f"{' '.join(_THROTTLED)} does not answer"
        return DeviceRecord(
            name=self.name,
            model=found.model,
            system=found.system,
            cores=found.cores,
            memory_bytes=found.memory_bytes,
            state=now,
            board=_board(found.model),
            unreadable=unreadable,
        )

    def state(self) -> DeviceState:
        """Return clocks, temperatures and the throttling flags now."""
        now, flags = host.state(self.system), _flags(self.system)
        if flags is None:
            return now
        return replace(
            now,
            throttled=tuple(name for bit, name in _FLAGS.items() if flags >> bit & 1),
            throttle_events={name: flags >> bit + _SINCE_START & 1 for bit, name in _FLAGS.items()},
        )

    def probes(self) -> tuple[Probe, ...]:
        """Return the power chip."""
        return (pmic.probe(self.system),)


def detect(system: System, unit: str | None) -> RaspberryPiDevice:
    """Return the board.

    Raises:
        AbsentError: This machine is no Raspberry Pi.
    """
    model = system.text(_MODEL)
    if model is None or not model.startswith("Raspberry Pi"):
        raise AbsentError(
            "this machine is no raspberrypi",
            got=f"{model!r} in {_MODEL}" if model else f"no {_MODEL}",
            fix="Use --device auto",
        )
    return RaspberryPiDevice(system)


def _board(model: str) -> str:
    """Return ``raspberry-pi-5`` of ``Raspberry Pi 5 Model B Rev 1.0``."""
    return "-".join(re.split(r" (?:Model|Rev) ", model)[0].lower().split())


def _flags(system: System) -> int | None:
    """Return the firmware's word from ``throttled=0x50000``."""
    try:
        return int(system.run(*_THROTTLED).partition("=")[2], 16)
    except (OSError, ValueError):
        return None
