"""NVIDIA's management library: one GPU's energy counter or power, clocks and throttle reasons.

Read through ``nvidia-ml-py``; what a field means is said in NVIDIA's ``nvml.h``. A driver that
opens proves nothing: on boards and old GPUs every query may answer "not supported", so each is
tried.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from calexnet.devices.base import AbsentError, Probe
from calexnet.devices.energy import Kind, SourceRecord
from calexnet.devices.sampling import Sensor, SensorError
from calexnet.errors import DeviceError

_PACKAGE = "pip install 'calexnet[nvidia]'"
_COVERS = "the GPU and its memory on the board; not the host processor"
_PERIOD_S = 0.02
_AVERAGED_OVER_S = 1.0
_LIMIT_W = 5_000.0
#: How long a counter is watched to learn how often it ticks, and what is assumed if it never does.
_WATCH_S, _SLOWEST_TICK_S = 0.6, 0.1

#: Bits of NVML's word that slow a GPU down; an idle GPU and clocks that the user set do not count.
_SLOWDOWNS = {
    "nvmlClocksEventReasonSwPowerCap": "the power limit is reached",
    "nvmlClocksEventReasonHwSlowdown": "the hardware slows it down",
    "nvmlClocksEventReasonSwThermalSlowdown": "it is too hot (software limit)",
    "nvmlClocksEventReasonHwThermalSlowdown": "it is too hot (hardware limit)",
    "nvmlClocksEventReasonHwPowerBrakeSlowdown": "the power brake is on",
}


class Gpu:
    """One GPU as NVML sees it; a query that the driver refuses is None, with the reason kept.

    Attributes:
        unreadable: What was refused, and why.
    """

    def __init__(self, index: int) -> None:
        self._nvml = _open()
        self._index = index
        self._handle = _handle(self._nvml, index)
        self.unreadable: dict[str, str] = {}

    def ask(self, what: str, query: Callable[[Any, Any], Any]) -> Any:
        """Return ``query(pynvml, handle)``, None if the driver refuses."""
        try:
            return query(self._nvml, self._handle)
        except self._nvml.NVMLError as refused:
            self.unreadable[what] = f"NVML: {refused}"
            return None

    def throttled(self) -> tuple[str, ...] | None:
        """Return why the GPU is slowed down now."""
        word = self.ask(
            "throttling", lambda nvml, gpu: nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu)
        )
        if word is None:
            return None
        return tuple(why for name, why in _SLOWDOWNS.items() if word & getattr(self._nvml, name))

    def foreign(self) -> tuple[str, ...]:
        """Return other processes that compute on the GPU."""
        running = self.ask(
            "foreign processes", lambda nvml, gpu: nvml.nvmlDeviceGetComputeRunningProcesses(gpu)
        )
        return tuple(f"process {p.pid}" for p in running or () if p.pid != os.getpid())

    def in_parts(self) -> bool:
        """Return whether the GPU is divided into MIG instances."""
        try:
            return bool(self._nvml.nvmlDeviceGetMigMode(self._handle)[0])
        except self._nvml.NVMLError:  # most GPUs cannot be
            return False

    def probe(self) -> Probe:
        """Try the energy counter, then the power fields."""
        if self.in_parts():
            return Probe(
                "nvml",
                None,
                f"GPU {self._index} is divided (MIG), and its sensors know the whole alone, with "
                "what others run on it",
                f"sudo nvidia-smi -i {self._index} -mig 0  # ends all work on it; or an external "
                "meter: --power-csv FILE",
            )
        problems = []
        ways = {
            "energy": self._counter,
            "power of the moment": self._instant,
            "mean power": self._averaged,
            "power usage": self._usage,
        }
        for what, make in ways.items():
            try:
                return Probe("nvml", make())
            except (SensorError, self._nvml.NVMLError) as refused:
                problems.append(f"{what}: {refused}")
        return Probe(
            "nvml",
            None,
            f"NVML gives neither energy nor power ({'; '.join(problems)})",
            "On a Jetson, use --device jetson; elsewhere an external meter: --power-csv FILE",
        )

    def _counter(self) -> NvmlSensor:
        """Return joules since the driver was loaded."""

        def read() -> float:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1e3

        return NvmlSensor(self._nvml, read, "nvml energy counter", "counter", _tick_s(read), 0.0)

    def _instant(self) -> NvmlSensor:
        """Return the power of the moment."""
        return self._power(self._nvml.NVML_FI_DEV_POWER_INSTANT, "nvml power of the moment", 0.0)

    def _averaged(self) -> NvmlSensor:
        """Return the mean power of the last second."""
        field = self._nvml.NVML_FI_DEV_POWER_AVERAGE
        return self._power(field, "nvml mean power", _AVERAGED_OVER_S)

    def _usage(self) -> NvmlSensor:
        """Return the oldest query; on some GPUs a mean of one second, so it is taken to be one."""

        def read() -> float:
            return float(self._nvml.nvmlDeviceGetPowerUsage(self._handle)) / 1e3

        name = "nvml power usage"
        return NvmlSensor(self._nvml, read, name, "power", _SLOWEST_TICK_S, _AVERAGED_OVER_S)

    def _power(self, field: int, name: str, averaging_s: float) -> NvmlSensor:
        nvml = self._nvml

        def read() -> float:
            (value,) = nvml.nvmlDeviceGetFieldValues(
                self._handle, [(field, nvml.NVML_POWER_SCOPE_GPU)]
            )
            if value.nvmlReturn != nvml.NVML_SUCCESS:
                raise nvml.NVMLError(value.nvmlReturn)
            return float(value.value.uiVal) / 1e3

        return NvmlSensor(nvml, read, name, "power", _SLOWEST_TICK_S, averaging_s)


class NvmlSensor(Sensor):
    """One query of one GPU, repeated; it has answered once before it is made."""

    def __init__(
        self,
        nvml: Any,
        query: Callable[[], float],
        name: str,
        kind: Kind,
        tick_s: float,
        averaging_s: float,
    ) -> None:
        self._nvml, self._query = nvml, query
        query()
        self.record = SourceRecord(
            name=name,
            kind=kind,
            period_s=min(_PERIOD_S, tick_s) if kind == "counter" else _PERIOD_S,
            tick_s=tick_s,
            covers=_COVERS,
            averaging_s=averaging_s,
            limit_w=_LIMIT_W,
        )

    def read(self) -> float:
        """Return joules since the driver was loaded, or watts.

        Raises:
            SensorError: The driver refuses.
        """
        try:
            return self._query()
        except self._nvml.NVMLError as refused:
            raise SensorError(f"NVML: {refused}") from refused


def count() -> int:
    """Return how many GPUs NVML sees.

    Raises:
        AbsentError: It cannot be used here.
    """
    return int(_open().nvmlDeviceGetCount())


def names() -> list[str]:
    """Return the GPUs' names, by NVML's own numbers.

    Raises:
        AbsentError: NVML cannot be used here.
    """
    nvml = _open()
    handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(count())]
    return [str(nvml.nvmlDeviceGetName(handle)) for handle in handles]


def index_of(ordinal: int) -> int:
    """Return NVML's number of the GPU that CUDA programs call `ordinal`.

    NVML counts all GPUs along the bus; CUDA only visible ones, and by speed unless told otherwise.

    Raises:
        DeviceError: The two orders cannot be matched.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = names()
    if visible is None:
        _refuse_unordered(ordinal, found)
        return ordinal
    entries = [entry.strip() for entry in visible.split(",") if entry.strip()]
    if ordinal >= len(entries):
        return len(found)  # beyond the last, which the caller refuses
    if entries[ordinal].isdigit():
        _refuse_unordered(ordinal, found)
        return int(entries[ordinal])
    return _index_of_uuid(entries[ordinal], ordinal)


def _refuse_unordered(ordinal: int, found: list[str]) -> None:
    """Refuse numbers of GPUs that CUDA counts in another order."""
    by_bus = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    if len(set(found)) > 1 and not by_bus:
        raise DeviceError(
            f"which GPU is cuda:{ordinal} is not certain",
            got=f"different GPUs ({', '.join(found)}), which CUDA orders by speed",
            fix="Set CUDA_DEVICE_ORDER=PCI_BUS_ID for all programs",
        )


def _index_of_uuid(uuid: str, ordinal: int) -> int:
    """Return the number of the GPU that `uuid` begins the name of, or that holds this MIG part."""
    nvml = _open()
    if uuid.startswith("MIG-") and not uuid.startswith("MIG-GPU-"):
        try:
            part = nvml.nvmlDeviceGetHandleByUUID(uuid)
            whole = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(part)
            return int(nvml.nvmlDeviceGetIndex(whole))
        except nvml.NVMLError as refused:
            raise _unknown_uuid(uuid, ordinal) from refused
    whole_s = uuid.removeprefix("MIG-").partition("/")[0]  # MIG-GPU-.../1/0: older drivers
    fits = [
        index
        for index in range(count())
        if str(nvml.nvmlDeviceGetUUID(_handle(nvml, index))).startswith(whole_s)
    ]
    if len(fits) != 1 or not whole_s.startswith("GPU-"):
        raise _unknown_uuid(uuid, ordinal)
    return fits[0]


def _unknown_uuid(uuid: str, ordinal: int) -> DeviceError:
    return DeviceError(
        f"which GPU is cuda:{ordinal} is not certain",
        got=f"{uuid} in CUDA_VISIBLE_DEVICES",
        expected="a number, or a UUID of this machine's",
        fix="Take one that nvidia-smi -L lists",
    )


def _open() -> Any:
    """Return pynvml, with the driver opened; it may be opened any number of times."""
    try:
        import pynvml
    except ImportError as missing:
        raise AbsentError("NVML cannot be asked", got=missing, fix=f"Run: {_PACKAGE}") from missing
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as refused:
        raise AbsentError(
            "NVML cannot be opened", got=refused, fix="Install NVIDIA's driver"
        ) from refused
    return pynvml


def _handle(nvml: Any, index: int) -> Any:
    try:
        return nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as refused:
        raise AbsentError(f"NVML has no GPU {index}", got=refused) from refused


def _tick_s(read: Callable[[], float]) -> float:
    """Return how often a counter moves, watched for a moment; its own documents do not say."""
    last, moved = read(), []
    until = time.monotonic() + _WATCH_S
    while time.monotonic() < until:
        time.sleep(0.001)
        now = read()
        if now != last:
            moved.append(time.monotonic())
            last = now
    gaps = sorted(later - earlier for earlier, later in pairwise(moved))
    return gaps[len(gaps) // 2] if gaps else _SLOWEST_TICK_S
