"""An NVIDIA GPU beside the processor: ``cuda:0``, ``cuda:1``, ..."""

from __future__ import annotations

from dataclasses import replace

from calexnet.devices import cuda_context, host, nvml
from calexnet.devices.base import AbsentError, Clock, Device, DeviceRecord, DeviceState, Probe
from calexnet.devices.system import ROOT_VARIABLE, System
from calexnet.errors import DeviceError


class CudaDevice(Device):
    """One GPU, as NVML tells of it, in the machine that hosts it."""

    def __init__(self, system: System, gpu: nvml.Gpu, ordinal: int) -> None:
        self.name = f"cuda:{ordinal}"
        super().__init__(system)
        self._gpu = gpu

    def describe(self) -> DeviceRecord:
        """Return what is known of the GPU and its host now."""
        gpu, found, now = self._gpu, host.host(self.system), self.state()
        model = gpu.ask("name", lambda nv, h: str(nv.nvmlDeviceGetName(h)))
        memory = gpu.ask("memory", lambda nv, h: int(nv.nvmlDeviceGetMemoryInfo(h).total))
        limit_mw = gpu.ask("power limit", lambda nv, h: nv.nvmlDeviceGetEnforcedPowerLimit(h))
        details = {
            "Host processor": found.model,
            "Driver": gpu.ask("driver", lambda nv, h: str(nv.nvmlSystemGetDriverVersion())),
            "Power limit": None if limit_mw is None else f"{limit_mw / 1e3:.0f} W",
        }
        return DeviceRecord(
            name=self.name,
            model=model or self.name,
            system=found.system,
            cores=found.cores,
            memory_bytes=memory,
            state=now,
            details={name: value for name, value in details.items() if value is not None},
            unreadable=dict(gpu.unreadable),
        )

    def state(self) -> DeviceState:
        """Return the GPU's clocks, temperature, load, throttling and other users now."""
        gpu, of_host = self._gpu, host.state(self.system)
        celsius = gpu.ask(
            "temperature", lambda nv, h: nv.nvmlDeviceGetTemperature(h, nv.NVML_TEMPERATURE_GPU)
        )
        busy = gpu.ask("GPU load", lambda nv, h: nv.nvmlDeviceGetUtilizationRates(h).gpu)
        return replace(
            of_host,
            clocks=self._clocks(),
            temperatures_c={} if celsius is None else {"gpu": float(celsius)},
            loads={} if busy is None else {"gpu": busy / 100},
            throttled=gpu.throttled(),
            throttle_events={},
            foreign=gpu.foreign(),
        )

    def probes(self) -> tuple[Probe, ...]:
        """Return the energy counter, or a power field."""
        return (self._gpu.probe(),)

    def drain(self) -> None:
        """Wait for the GPU."""
        cuda_context.synchronise()

    def unused(self) -> str | None:
        """Return that no runtime in this process has opened the CUDA driver, if so."""
        if cuda_context.loaded() is not None:
            return None
        return f"nothing ran on {self.name}: no runtime in this process has loaded the CUDA driver"

    def _clocks(self) -> tuple[Clock, ...]:
        gpu = self._gpu.ask(
            "GPU clock", lambda nv, h: nv.nvmlDeviceGetClockInfo(h, nv.NVML_CLOCK_SM)
        )
        memory = self._gpu.ask(
            "memory clock", lambda nv, h: nv.nvmlDeviceGetClockInfo(h, nv.NVML_CLOCK_MEM)
        )
        found = {"gpu": gpu, "gpu memory": memory}
        return tuple(Clock(name, float(mhz)) for name, mhz in found.items() if mhz is not None)


def count(system: System) -> int:
    """Return how many GPUs there are; none where NVML cannot be asked."""
    try:
        return 0 if system.tree is not None else nvml.count()
    except AbsentError:
        return 0


def detect(system: System, unit: str | None) -> CudaDevice:
    """Return the GPU that CUDA programs call `unit`, 0 if not given.

    Raises:
        AbsentError: There is none.
        DeviceError: `unit` is no number, or a recorded tree is read.
    """
    if system.tree is not None:
        raise AbsentError(
            "a recorded tree holds no GPU", fix=f"Unset {ROOT_VARIABLE} to use this machine's"
        )
    if unit is not None and not unit.isdigit():
        raise DeviceError("no such GPU", got=f"cuda:{unit}", expected="cuda:0, cuda:1, ...")
    ordinal = int(unit or 0)
    there = nvml.count()
    index = nvml.index_of(ordinal)
    if index >= there:
        raise AbsentError(
            f"this machine has no cuda:{ordinal}", got=f"{there} GPUs, counted from 0"
        )
    return CudaDevice(system, nvml.Gpu(index), ordinal)
