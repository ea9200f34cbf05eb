"""A plain processor, whatever it sits on."""

from __future__ import annotations

from calexnet.devices import host, rapl
from calexnet.devices.base import Device, DeviceRecord, DeviceState, Probe
from calexnet.devices.system import System, here


class CpuDevice(Device):
    """The processor that this process runs on."""

    name = "cpu"

    def __init__(self, system: System | None = None) -> None:
        super().__init__(here() if system is None else system)

    def describe(self) -> DeviceRecord:
        """Return what is known of the processor now."""
        found, now = host.host(self.system), self.state()
        return DeviceRecord(
            name=self.name,
            model=found.model,
            system=found.system,
            cores=found.cores,
            memory_bytes=found.memory_bytes,
            state=now,
            unreadable=host.unreadable(self.system, now),
        )

    def state(self) -> DeviceState:
        """Return clocks, temperatures and load now."""
        return host.state(self.system)

    def probes(self) -> tuple[Probe, ...]:
        """Return the packages' energy counters."""
        return (rapl.probe(self.system),)


def detect(system: System, unit: str | None) -> CpuDevice:
    """Return the processor; every machine has one."""
    return CpuDevice(system)
