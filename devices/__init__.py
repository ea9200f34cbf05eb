"""Devices by name: the machine that the numbers come from."""

from __future__ import annotations

from importlib import import_module

from calexnet.devices.base import Device, DeviceRecord
from calexnet.errors import DeviceError

__all__ = ["Device", "DeviceRecord", "open_device"]

#: name -> module whose ``detect()`` returns the device, or None where this machine is none.
DEVICES = {"cpu": "calexnet.devices.cpu"}


def open_device(name: str) -> Device:
    """Return the device `name`, ``auto`` for the first that this machine is.

    Raises:
        DeviceError: Unknown name, or this machine is no such device.
    """
    if name != "auto" and name not in DEVICES:
        raise DeviceError(
            "unknown device", got=repr(name), expected=f"one of auto, {', '.join(DEVICES)}"
        )
    for candidate in DEVICES if name == "auto" else (name,):
        device: Device | None = import_module(DEVICES[candidate]).detect()
        if device is not None:
            return device
    raise DeviceError(
        f"this machine is no {name}", fix=f"Use --device auto, or one of {', '.join(DEVICES)}"
    )
