"""Jetson boards from recorded trees: rails, totals, clocks, modes; and what is refused."""

from __future__ import annotations

import pytest

from calexnet.devices import ina, jetson
from calexnet.devices.base import AbsentError, slowed_down
from calexnet.devices.ina import InaSensor
from calexnet.devices.jetson import BOARDS, JetsonDevice
from calexnet.devices.system import System
from calexnet.errors import DeviceError
from tests.devices.conftest import NAMES, Tree, recorded, remove, write

MONITOR = "/sys/bus/i2c/devices/1-0040/hwmon/hwmon1"


def device(system: System) -> JetsonDevice:
    return jetson.detect(system, None)


def sensor(system: System) -> InaSensor:
    (probe,) = device(system).probes()
    assert isinstance(probe.source, InaSensor)
    return probe.source


@pytest.mark.parametrize(
    ("name", "board", "rails", "total", "watts"),
    [
        # One rail at the module's input: 5.072 V x 0.936 A.
        ("jetson-orin-nano", "jetson-orin-nano", ("VDD_IN",), "measured", 4.747392),
        ("jetson-orin-nano-jetpack7", "jetson-orin-nano", ("VDD_IN",), "measured", 6.21984),
        ("jetson-orin-nx", "jetson-orin-nx", ("VDD_IN",), "measured", 7.154176),
        # 4.960 V x (0.640 + 0.320) A + 4.968 V x 0.880 A; VDDQ_VDD2_1V8AO is in one of them.
        (
            "jetson-agx-orin",
            "jetson-agx-orin",
            ("VDD_GPU_SOC", "VDD_CPU_CV", "VIN_SYS_5V0"),
            "sum",
            9.13344,
        ),
        # The INA238 says microwatts.
        ("jetson-thor", "jetson-thor", ("VIN",), "measured", 23.04),
        # -0.032 A x 11.984 V + 0.544 A x 11.984 V + 1.306 A x 4.992 V: a rail's zero is not exact.
        (
            "jetson-thor-own-carrier",
            "jetson-thor",
            ("VDD_GPU", "VDD_CPU_SOC_MSS", "VIN_SYS_5V0"),
            "sum",
            12.65536,
        ),
    ],
)
def test_the_total_is_what_the_board_documents(
    tree: Tree, name: str, board: str, rails: tuple[str, ...], total: str, watts: float
) -> None:
    source = sensor(tree(name))

    assert board == device(tree(name)).describe().board
    assert (rails, total) == (source.record.rails, source.record.total)
    assert pytest.approx(watts) == source.read()
    assert "carrier" in source.record.covers


def test_every_row_of_the_table_has_a_tree() -> None:
    found = {
        device(system).board.name
        for name in NAMES
        if name.startswith("jetson-") and (system := _tree_if_known(name)) is not None
    }

    assert {board.name for board in BOARDS} == found


def _tree_if_known(name: str) -> System | None:
    from calexnet.devices.system import recorded_tree

    system = recorded_tree(recorded(name))
    try:
        device(system)
    except DeviceError:
        return None
    return system


def test_a_board_describes_itself(tree: Tree) -> None:
    found = device(tree("jetson-orin-nano")).describe()

    assert ("jetson", "MAXN_SUPER (2)", "Linux 5.15.148-tegra", 7802236 * 1024) == (
        found.name,
        found.power_mode,
        found.system,
        found.memory_bytes,
    )
    assert found.model.startswith("NVIDIA Jetson Orin Nano")
    assert "R36.4.3 (JetPack 6)" == found.details["Jetson Linux"]
    assert found.details["jetson_clocks"].startswith("off (inferred")
    assert "VDD_IN 4.75 W, VDD_CPU_GPU_CV 0.73 W, VDD_SOC 1.46 W" == found.details["Rails now"]
    assert [
        ("cpu0-3", 729.6, 1728.0, "schedutil"),
        ("cpu4-5", 729.6, 1728.0, "schedutil"),
        ("gpu", 306.0, 1020.0, "nvhost_podgov"),
    ] == [(c.name, c.mhz, c.high_mhz, c.governor) for c in found.state.clocks]
    assert {"gpu": 0.0} == found.state.loads
    assert 48.968 == found.state.hottest_c
    assert "Resource temporarily unavailable" == found.unreadable["temperature of gpu-thermal"]


def test_pinned_clocks_are_told_from_their_limits(tree: Tree) -> None:
    found = device(tree("jetson-orin-nano-jetpack7")).describe()

    assert found.details["jetson_clocks"].startswith("on (inferred")
    assert "R39.2.0 (JetPack 7)" == found.details["Jetson Linux"]
    assert {"gpu": 0.9} == found.state.loads


def test_thor_has_two_gpu_clocks_and_says_no_load(tree: Tree) -> None:
    found = device(tree("jetson-thor")).describe()

    assert ["cpu0-13", "gpu-gpc-0", "gpu-nvd-0"] == [c.name for c in found.state.clocks]
    assert {} == found.state.loads
    assert "GPU load" in found.unreadable


def test_a_rise_of_the_over_current_alarms_means_slowed_down(tree: Tree) -> None:
    system = tree("jetson-orin-nano")
    before = device(system).state()
    write(system, "/sys/class/hwmon/hwmon2/oc3_event_cnt", "4\n")

    assert ("over-current alarm 3",) == slowed_down(before, device(system).state())
    assert () == slowed_down(before, before)


def test_unconnected_and_disabled_channels_are_left_out(tree: Tree) -> None:
    system = tree("jetson-orin-nano")
    assert system.tree is not None
    system.tree.refused[f"{MONITOR}/curr3_input"] = "ENODATA"
    write(system, f"{MONITOR}/in2_label", "NC\n")

    found, refused = ina.rails(system)

    assert ["VDD_IN"] == list(found)
    assert ["rail VDD_SOC"] == list(refused)
    assert "No data available" in refused["rail VDD_SOC"]


def test_the_sum_of_shunt_voltages_is_no_rail(tree: Tree) -> None:
    assert "sum of shunt voltages" not in ina.rails(tree("jetson-orin-nano"))[0]


def test_a_missing_rail_is_no_total_and_says_what_is_there(tree: Tree) -> None:
    system = tree("jetson-agx-orin")
    write(system, "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/in2_label", "SOMETHING\n")

    (probe,) = device(system).probes()

    assert probe.source is None
    assert probe.reason == (
        "the rails of a jetson-agx-orin are VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0; readable "
        "here: VDD_GPU_SOC, SOMETHING, VIN_SYS_5V0, VDDQ_VDD2_1V8AO"
    )
    assert probe.fix == "calexnet doctor --record FILE, and send it in"


def test_a_rail_that_dies_later_is_an_error_and_not_a_smaller_sum(tree: Tree) -> None:
    system = tree("jetson-agx-orin")
    source = sensor(system)
    remove(system, "/sys/bus/i2c/devices/1-0040/hwmon/hwmon3/curr2_input")

    with pytest.raises(OSError, match="curr2_input"):
        source.read()


def test_an_unknown_board_is_refused_with_what_was_found(tree: Tree) -> None:
    with pytest.raises(
        DeviceError,
        match=r"^this Jetson is not in the table of boards, .* got compatible nvidia,p2972-0000 "
        r"nvidia,tegra194; rails GPU, CPU, SOC; expected jetson-orin-nano, jetson-orin-nx, "
        r"jetson-agx-orin, jetson-thor\. Use --device cpu, and send in what calexnet doctor ",
    ):
        device(tree("jetson-agx-xavier"))


@pytest.mark.parametrize("release", [True, False])
def test_in_a_container_it_says_how_its_files_are_passed_through(tree: Tree, release: bool) -> None:
    """Docker hides the device tree; the kernel's name tells the board all the same."""
    system = tree("jetson-orin-nano")
    remove(system, "/proc/device-tree/compatible")
    if not release:
        remove(system, "/etc/nv_tegra_release")

    with pytest.raises(
        DeviceError,
        match=r"^this is a Jetson whose device tree cannot be read, as in a container: got no "
        r"/proc/device-tree/compatible\. Start the container with: docker run --security-opt "
        r"systempaths=unconfined -v /sys:/sys:ro -v /etc/nv_tegra_release:/etc/nv_tegra_release:ro",
    ) as caught:
        device(system)
    assert not isinstance(caught.value, AbsentError), "auto must not take it for a plain processor"


def test_a_container_without_sysfs_is_told_to_pass_it(tree: Tree) -> None:
    system = tree("jetson-orin-nano")
    remove(system, "/sys/bus/i2c")

    (probe,) = device(system).probes()

    assert None is probe.source
    assert "no current monitor under /sys/bus/i2c/devices" in (probe.reason or "")
    assert "-v /sys:/sys:ro" in (probe.fix or "")


def test_a_monitor_without_labels_says_why_it_is_no_use(tree: Tree) -> None:
    system = tree("jetson-orin-nano")
    for label in system.glob(f"{MONITOR}/in*_label"):
        remove(system, label)

    (probe,) = device(system).probes()

    assert None is probe.source
    assert "rails of 1-0040: ina3221: no channel has a label (in1_label)" in (probe.reason or "")
    assert "rails of 1-0040" in device(system).describe().unreadable


def test_another_machine_is_refused_with_what_was_looked_for(tree: Tree) -> None:
    with pytest.raises(
        AbsentError,
        match=r"^this machine is no jetson: got neither /etc/nv_tegra_release nor nvidia,tegra in "
        r"/proc/device-tree/compatible\. Use --device auto\.$",
    ):
        device(tree("raspberrypi5"))


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, "nvpmodel does not answer: "),
        ("NV Power Mode: 15W", "nvpmodel -q said 'NV Power Mode: 15W'"),
    ],
)
def test_without_a_power_mode_the_reason_is_given(
    tree: Tree, said: str | None, expected: str
) -> None:
    system = tree("jetson-orin-nx")
    if said is None:
        remove(system, "/commands/nvpmodel -q")
    else:
        write(system, "/commands/nvpmodel -q", said)

    found = device(system).describe()

    assert found.power_mode is None
    assert found.unreadable["power mode"].startswith(expected)
