"""Devices by name: what there is, which one is taken, and what is refused."""

from __future__ import annotations

import json

import pytest

from calexnet.devices import choices, find_device, names, open_device
from calexnet.devices.base import DeviceRecord, DeviceState, slowed_down
from calexnet.devices.system import ROOT_VARIABLE
from calexnet.errors import DeviceError
from calexnet.files import schema
from tests.devices.conftest import NAMES, Tree, recorded

KNOWN = [name for name in NAMES if name != "jetson-agx-xavier"]


def family(tree: str) -> str:
    """Return the device that a tree is of, by its name."""
    return next((n for n in ("jetson", "raspberrypi") if tree.startswith(n)), "cpu")


@pytest.mark.parametrize("name", KNOWN)
def test_auto_is_the_board_or_else_the_processor(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(recorded(name)))

    assert family(name) == open_device("auto").name
    assert "cpu" == open_device("cpu").name, "every machine has a processor"


@pytest.mark.parametrize("name", KNOWN)
def test_a_device_fits_a_report_and_says_why_it_cannot_read_what_it_cannot(
    name: str, tree: Tree
) -> None:
    device = find_device(family(name), tree(name))
    found, now = device.describe(), device.state()

    assert found == schema.decode(DeviceRecord, json.loads(json.dumps(schema.encode(found))))
    assert now == schema.decode(DeviceState, json.loads(json.dumps(schema.encode(now))))
    assert all(found.unreadable.values())
    for probe in device.probes():
        assert (probe.source is None) == (probe.reason is not None)
    device.drain()
    assert device.unused() is None


@pytest.mark.parametrize("name", NAMES)
def test_every_tree_says_where_it_comes_from(name: str, tree: Tree) -> None:
    record = tree(name).tree

    assert record is not None
    assert record.origin in ("recorded", "reconstructed")
    assert record.board
    assert record.sources


@pytest.mark.parametrize("name", ["jetson", "raspberrypi"])
def test_a_board_that_this_machine_is_not_is_refused_and_never_another(
    name: str, tree: Tree
) -> None:
    with pytest.raises(DeviceError, match=f"^this machine is no {name}: got ") as caught:
        find_device(name, tree("intel"))

    assert 4 == caught.value.exit_code


def test_auto_does_not_take_an_unknown_board_for_a_plain_processor(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(recorded("jetson-agx-xavier")))

    with pytest.raises(DeviceError, match=r"^this Jetson is not in the table of boards"):
        open_device("auto")
    assert "cpu" == open_device("cpu").name


def test_a_recorded_tree_has_no_gpu_of_this_machine(tree: Tree) -> None:
    with pytest.raises(DeviceError, match=r"^a recorded tree holds no GPU\. Unset CALEXNET_SYSFS"):
        find_device("cuda:0", tree("intel"))
    assert ("jetson", "raspberrypi", "cuda:0", "cpu") == names(tree("intel"))


@pytest.mark.parametrize("name", ["gpu", "", "CPU", "cpu:1", "jetson:0", ":", "cuda:x", "cuda:-1"])
def test_an_unknown_name_is_refused_with_what_there_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)
    with pytest.raises(DeviceError, match=r"^(unknown device|no such GPU): got ") as caught:
        open_device(name)

    assert 4 == caught.value.exit_code
    assert "auto, jetson, raspberrypi, cuda:N, cpu" == choices()


def test_slowed_down_is_now_or_a_rise_in_between() -> None:
    cool = DeviceState(load=0.0, throttled=(), throttle_events={"heat": 2})
    hot = DeviceState(load=0.0, throttled=("power limit",), throttle_events={"heat": 3})

    assert () == slowed_down(cool, cool)
    assert ("power limit", "heat") == slowed_down(cool, hot)
    assert ("power limit",) == slowed_down(hot, cool)
    assert () == slowed_down(DeviceState(load=0.0), cool), "a counter first seen late tells nothing"
