"""Devices by name: the machine that the numbers come from, and its sensors."""

from __future__ import annotations

from importlib import import_module

from calexnet.devices.base import AbsentError, Device, DeviceRecord, DeviceState
from calexnet.devices.system import System, here
from calexnet.errors import DeviceError

__all__ = [
    "Device",
    "DeviceRecord",
    "DeviceState",
    "choices",
    "find_device",
    "names",
    "open_device",
]

#: name -> module whose ``detect(system, unit)`` returns the device, or says why this machine is
#: none; `unit` is what follows the colon of ``cuda:1``.
DEVICES = {
    "jetson": "calexnet.devices.jetson",
    "raspberrypi": "calexnet.devices.raspberrypi",
    "cuda": "calexnet.devices.cuda",
    "cpu": "calexnet.devices.cpu",
}
#: Those that ``auto`` never takes: which work goes to a GPU is for the runtime to say.
BY_NAME_ONLY = ("cuda",)


def open_device(name: str) -> Device:
    """Return the device `name`, ``auto`` for the first that this machine is, a GPU apart.

    Raises:
        DeviceError: Unknown name, or this machine is no such device.
    """
    system = here()
    if name != "auto":
        return find_device(name, system)
    for candidate in DEVICES:
        if candidate not in BY_NAME_ONLY:
            try:
                return find_device(candidate, system)
            except AbsentError:
                continue
    raise AssertionError("every machine has a processor")


def find_device(name: str, system: System) -> Device:
    """Return the device `name` of `system`; it is never another one under that name.

    Raises:
        DeviceError: Unknown name, or the machine is no such device.
    """
    family, colon, unit = name.partition(":")
    if family not in DEVICES or (colon and family != "cuda"):
        raise DeviceError("unknown device", got=repr(name), expected=f"one of {choices()}")
    device: Device = import_module(DEVICES[family]).detect(system, unit if colon else None)
    return device


def names(system: System) -> tuple[str, ...]:
    """Return every name worth asking `system` for, each GPU by its own."""
    from calexnet.devices import cuda

    gpus = tuple(f"cuda:{number}" for number in range(max(1, cuda.count(system))))
    return tuple(name for family in DEVICES for name in (gpus if family == "cuda" else (family,)))


def choices() -> str:
    """Return the names that a user may give."""
    return ", ".join(["auto", *("cuda:N" if name == "cuda" else name for name in DEVICES)])
