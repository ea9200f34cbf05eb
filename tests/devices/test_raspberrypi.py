"""Raspberry Pi from recorded trees: the power chip's rails and the throttling flags."""

from __future__ import annotations

import pytest

from calexnet.devices import pmic, raspberrypi
from calexnet.devices.base import AbsentError, slowed_down
from calexnet.devices.pmic import PmicSensor, rail_watts
from calexnet.devices.sampling import SensorError
from tests.devices.conftest import Tree, remove, write

FLAGS = "/commands/vcgencmd get_throttled"


def test_both_forms_of_the_listing_are_read_and_pairs_are_added_up() -> None:
    new = " VDD_CORE_A current(7)=2.0A\n  VDD_CORE_V volt(15)=0.75V\n EXT5V_V volt(24)=5.1V\n"
    old = "3V3_SYS_A=0.5A\n3V3_SYS_V=3.3V\nnonsense\nLONE_A=1A\n"

    assert {"VDD_CORE": 1.5} == rail_watts(new)
    assert {"3V3_SYS": pytest.approx(1.65)} == rail_watts(old)
    assert {} == rail_watts("")


@pytest.mark.parametrize(
    ("model", "board"),
    [
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "raspberry-pi-compute-module-4"),
        ("Raspberry Pi Compute Module 5 Rev 1.0", "raspberry-pi-compute-module-5"),
        ("Raspberry Pi Compute Module 5 Lite Rev 1.0", "raspberry-pi-compute-module-5-lite"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2-w"),
    ],
)
def test_boards_are_told_apart(tree: Tree, model: str, board: str) -> None:
    system = tree("raspberrypi5")
    write(system, "/proc/device-tree/model", model + "\0")

    assert board == raspberrypi.detect(system, None).describe().board


def test_the_power_chip_says_what_it_misses(tree: Tree) -> None:
    source = pmic.probe(tree("raspberrypi5")).source

    assert isinstance(source, PmicSensor)
    assert ("power", "sum", 12) == (
        source.record.kind,
        source.record.total,
        len(source.record.rails),
    )
    assert "EXT5V" not in source.record.rails, "the input has no current"
    assert "not its own loss, USB devices" in source.record.covers
    # The four largest, by hand: volts x amperes.
    largest = 0.72 * 0.75012 + 3.3 * 0.1219913 + 1.8 * 0.2430066 + 0.8 * 0.2693567
    assert largest < source.read() < largest + 0.4


def test_a_rail_that_is_no_longer_listed_is_no_reading(tree: Tree) -> None:
    system = tree("raspberrypi5")
    source = pmic.probe(system).source
    assert isinstance(source, PmicSensor)
    write(system, "/commands/vcgencmd pmic_read_adc", "VDD_CORE_A=1A\nVDD_CORE_V=1V\n")

    with pytest.raises(SensorError, match="no current and voltage of 3V7_WL_SW, 3V3_SYS"):
        source.read()


def test_an_older_board_has_no_currents_and_says_so(tree: Tree) -> None:
    (probe,) = raspberrypi.detect(tree("raspberrypi4"), None).probes()

    assert probe.source is None
    assert "boards before the Raspberry Pi 5 cannot measure" in (probe.reason or "")
    assert "Use an external meter: --power-csv FILE" == probe.fix


def test_without_the_firmware_s_command_the_reason_is_given(tree: Tree) -> None:
    system = tree("raspberrypi5")
    for path in system.glob("/commands/*"):
        remove(system, path)

    device = raspberrypi.detect(system, None)

    (probe,) = device.probes()
    assert (probe.reason or "").startswith("vcgencmd does not answer: ")
    assert device.describe().unreadable["throttling"] == ("vcgencmd get_throttled does not answer")


def test_flags_of_now_and_since_start_are_told_apart(tree: Tree) -> None:
    """0x50000: since start the voltage was low and the processor throttled; now it is not."""
    system = tree("raspberrypi5")
    device = raspberrypi.detect(system, None)
    before = device.state()

    assert () == before.throttled
    assert [1, 0, 1, 0] == list(before.throttle_events.values())
    assert () == slowed_down(before, device.state()), "what was so before says nothing of the run"

    write(system, FLAGS, "throttled=0x50000\n".replace("5", "d"))
    assert ("the soft temperature limit is reached",) == slowed_down(before, device.state())
    write(system, FLAGS, "throttled=0x50005\n")
    assert (
        "the supply's voltage is too low",
        "the processor is throttled",
    ) == slowed_down(before, device.state())


def test_a_board_describes_itself(tree: Tree) -> None:
    found = raspberrypi.detect(tree("raspberrypi5"), None).describe()

    assert ("raspberrypi", "raspberry-pi-5", "Raspberry Pi 5 Model B Rev 1.0", 48.5) == (
        found.name,
        found.board,
        found.model,
        found.state.hottest_c,
    )
    assert {} == found.unreadable


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("jetson-thor", r"got 'NVIDIA Jetson AGX Thor Developer Kit' in /proc/device-tree/model"),
        ("bare", r"got no /proc/device-tree/model"),
    ],
)
def test_another_machine_is_refused(tree: Tree, name: str, message: str) -> None:
    with pytest.raises(AbsentError, match=f"^this machine is no raspberrypi: {message}"):
        raspberrypi.detect(tree(name), None)
