"""The contract of a device: what it is, and what its sensors can say."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceRecord:
    """What is known of the machine when a measurement starts.

    Attributes:
        name: As it was asked for.
        model: Processor or board.
        system: Operating system, kernel and instruction set.
        cores: That this process may use.
        memory_bytes: ``None`` if unknown.
        governor: The clocks' governor; ``None`` if the system does not say.
        clock_mhz: Now; ``None`` if the system does not say.
        temperature_c: Of the processor; ``None`` if there is no sensor.
        load: Mean number of runnable processes over the last minute.
    """

    name: str
    model: str
    system: str
    cores: int
    memory_bytes: int | None
    governor: str | None
    clock_mhz: float | None
    temperature_c: float | None
    load: float


@dataclass(frozen=True)
class EnergyReading:
    """What an energy sensor has counted so far.

    Attributes:
        joules: Since some fixed moment; ``None`` without a sensor.
        reason: Why there is none.
    """

    joules: float | None
    reason: str | None = None


class Device(ABC):
    """A machine with its sensors. A sensor that is missing answers None with a reason, never 0."""

    @abstractmethod
    def describe(self) -> DeviceRecord:
        """Return what is known of the machine now."""

    @abstractmethod
    def read_energy(self) -> EnergyReading:
        """Return the energy counted so far; the difference of two readings is what was used."""
