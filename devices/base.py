"""The contract of a device: what it is, what it does now, and which sensors can measure it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from calexnet.devices.energy import EnergySource
from calexnet.devices.system import System
from calexnet.errors import DeviceError


class AbsentError(DeviceError):
    """This machine is not the device that was asked for."""


@dataclass(frozen=True)
class Clock:
    """One clock domain.

    Attributes:
        name: For example ``cpu0-3`` or ``gpu``.
        mhz: Now; ``None`` if the system does not say.
        low_mhz: The lowest that the governor may choose.
        high_mhz: The highest.
        governor: Who chooses.
    """

    name: str
    mhz: float | None
    low_mhz: float | None = None
    high_mhz: float | None = None
    governor: str | None = None

    @property
    def pinned(self) -> bool:
        """Whether the governor has nothing to choose."""
        return self.low_mhz is not None and self.low_mhz == self.high_mhz

    def words(self) -> str:
        """Return ``1728 MHz, 730 to 1728 MHz, schedutil``, as far as it is known."""
        words = ["unknown" if self.mhz is None else f"{self.mhz:.0f} MHz"]
        if self.low_mhz is not None and self.high_mhz is not None:
            limits = f"{self.low_mhz:.0f} to {self.high_mhz:.0f} MHz"
            words.append("pinned" if self.pinned else limits)
        return ", ".join([*words, *([self.governor] if self.governor else [])])


@dataclass(frozen=True)
class DeviceState:
    """What changes while a measurement runs.

    Attributes:
        load: Mean number of runnable processes over the last minute.
        clocks: Domain by domain.
        temperatures_c: By sensor.
        loads: Share of time busy, 0..1, by unit; of this moment.
        throttled: Why the device is slowed down now; empty if it is not, ``None`` if unknown.
        throttle_events: Counted since start, by kind; a rise means that it was slowed down.
        foreign: Other processes that use the device.
    """

    load: float
    clocks: tuple[Clock, ...] = ()
    temperatures_c: dict[str, float] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    throttled: tuple[str, ...] | None = None
    throttle_events: dict[str, int] = field(default_factory=dict)
    foreign: tuple[str, ...] = ()

    @property
    def hottest_c(self) -> float | None:
        """The highest temperature, None without a sensor."""
        return max(self.temperatures_c.values(), default=None)


@dataclass(frozen=True)
class DeviceRecord:
    """What is known of a device when a measurement starts.

    Attributes:
        name: As it can be asked for: ``jetson``, ``cuda:0``.
        model: Processor or board, in the maker's words.
        system: Operating system, kernel and instruction set.
        cores: That this process may use.
        memory_bytes: ``None`` if unknown.
        state: Clocks, temperatures and throttling at the start.
        board: The row of calexnet's own table that it fits.
        power_mode: Of boards that have several.
        details: Whatever else the board says of itself, by name.
        unreadable: What cannot be read here, and why.
    """

    name: str
    model: str
    system: str
    cores: int
    memory_bytes: int | None
    state: DeviceState
    board: str | None = None
    power_mode: str | None = None
    details: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Probe:
    """An energy sensor that was looked for.

    Attributes:
        name: Of the sensor.
        source: What reads it; ``None`` where nothing can.
        reason: Why nothing can.
        fix: The command or step that would change that.
    """

    name: str
    source: EnergySource | None
    reason: str | None = None
    fix: str | None = None


class Device(ABC):
    """A machine, or a part of one, with its sensors.

    What cannot be read is None or left out, with the reason beside it; it is never 0.

    Attributes:
        name: As it can be asked for.
        system: The machine's files and commands.
    """

    name: str

    def __init__(self, system: System) -> None:
        self.system = system

    @abstractmethod
    def describe(self) -> DeviceRecord:
        """Return what is known of the device now."""

    @abstractmethod
    def state(self) -> DeviceState:
        """Return its clocks, temperatures and throttling now."""

    @abstractmethod
    def probes(self) -> tuple[Probe, ...]:
        """Return its energy sensors, the best first, and why others cannot be read."""

    def drain(self) -> None:
        """Wait for work that was handed to the device."""
        return None  # on a processor nothing is left to wait for

    def unused(self) -> str | None:
        """Return why nothing of this process can have run on the device, None if it may have."""
        return None


def slowed_down(before: DeviceState, after: DeviceState) -> tuple[str, ...]:
    """Return why a device was slowed down at the start, at the end or in between."""
    reasons = [*(before.throttled or ()), *(after.throttled or ())]
    reasons += [
        name
        for name, count in after.throttle_events.items()
        if count > before.throttle_events.get(name, count)
    ]
    return tuple(dict.fromkeys(reasons))
