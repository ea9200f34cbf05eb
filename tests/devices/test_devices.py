"""Devices by name: what there is, which one is taken, and what is refused."""

# The expected value comes first in every comparison.
from __future__ import annotations

import sys
from types import ModuleType

import pytest

from calexnet import devices
from calexnet.devices import open_device
from calexnet.devices.cpu import CpuDevice
from calexnet.errors import DeviceError


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a device that comes before the processor and that this machine is not."""
    module = ModuleType("board_device")
    module.detect = lambda: None  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "board_device", module)
    monkeypatch.setattr(devices, "DEVICES", {"board": "board_device", **devices.DEVICES})
    return "board"


@pytest.mark.parametrize("name", ["cpu", "auto"])
def test_every_machine_is_a_processor(name: str) -> None:
    device = open_device(name)

    assert isinstance(device, CpuDevice)
    assert "cpu" == device.describe().name


def test_auto_is_the_first_that_this_machine_is(
    board: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(open_device("auto"), CpuDevice)

    mine = CpuDevice()
    monkeypatch.setattr("board_device.detect", lambda: mine)

    assert mine is open_device("auto") is open_device(board)
    assert mine is not open_device("cpu")


def test_a_device_that_this_machine_is_not_is_refused(board: str) -> None:
    with pytest.raises(
        DeviceError, match=r"^this machine is no board\. Use --device auto, or one of board, cpu\.$"
    ):
        open_device(board)


@pytest.mark.parametrize("name", ["jetson", "", "CPU"])
def test_an_unknown_device_is_refused_with_what_there_is(name: str) -> None:
    with pytest.raises(
        DeviceError, match=f"^unknown device: got '{name}'; expected one of auto, cpu$"
    ) as caught:
        open_device(name)

    assert 4 == caught.value.exit_code
