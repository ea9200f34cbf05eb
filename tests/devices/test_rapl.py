"""The processor packages' counters: which are added, how they wrap, and why they cannot be read."""

from __future__ import annotations

import pytest

from calexnet.devices import rapl
from calexnet.devices.energy import EnergySource
from calexnet.devices.rapl import RaplSensor
from calexnet.devices.system import System
from tests.devices.conftest import Tree, write
from tests.support.synthetic_power import SyntheticTime

ZONE = "/sys/class/powercap/intel-rapl:0"
PACKAGE = f"{ZONE}/energy_uj"


def sensor(system: System) -> RaplSensor:
    source = rapl.probe(system).source
    assert isinstance(source, RaplSensor)
    return source


def test_only_packages_count(tree: Tree) -> None:
    """Core, uncore and psys overlap the package; intel-rapl-mmio repeats it."""
    found = sensor(tree("intel")).record

    assert (("package-0",), "measured", "counter", 0.001) == (
        found.rails,
        found.total,
        found.kind,
        found.tick_s,
    )
    assert "not memory, board" in found.covers


def test_two_sockets_are_added_up(tree: Tree) -> None:
    system = tree("amd")
    source = sensor(system)
    other = "/sys/class/powercap/intel-rapl:1/energy_uj"
    start_j = source.read()

    write(system, PACKAGE, "54000000\n")
    write(system, other, str(65532600000 + 5000))

    assert (("package-0", "package-1"), "sum") == (source.record.rails, source.record.total)
    assert pytest.approx(3.005) == source.read() - start_j


def test_a_wrap_by_hand(tree: Tree) -> None:
    """From 10 uJ below the range, where the counter starts at 0 again, to 5: 15 uJ."""
    system = tree("intel")
    range_uj = int(system.read(f"{ZONE}/max_energy_range_uj"))
    write(system, PACKAGE, str(range_uj - 10))
    source = sensor(system)
    start_j = source.read()

    write(system, PACKAGE, "5")

    assert pytest.approx(15e-6) == source.read() - start_j


def dies(system: System, *counters_uj: int) -> System:
    """Give a machine one socket with a zone a die."""
    for number, counter_uj in enumerate(counters_uj):
        zone = f"/sys/class/powercap/intel-rapl:{number}"
        write(system, f"{zone}/name", f"package-0-die-{number}\n")
        write(system, f"{zone}/energy_uj", f"{counter_uj}\n")
        write(system, f"{zone}/max_energy_range_uj", "65532610987\n")
    return system


def test_dies_that_mirror_one_counter_count_once(tree: Tree) -> None:
    """As AMD's do: each die has a zone, and each zone the counter of the socket."""
    system = dies(tree("amd"), 10_360_237_493, 10_360_237_493)
    source = sensor(system)
    start_j = source.read()

    dies(system, 10_428_237_493, 10_428_237_493)

    assert (("package-0-die-0",), "measured") == (source.record.rails, source.record.total)
    assert "1 more of the zones show the same counter" in source.record.covers
    assert pytest.approx(68.0) == source.read() - start_j


def test_dies_with_counters_of_their_own_are_added_up(tree: Tree) -> None:
    system = dies(tree("amd"), 10_360_237_493, 9_000_000_000)
    source = sensor(system)
    start_j = source.read()

    dies(system, 10_361_237_493, 9_002_000_000)

    assert (("package-0-die-0", "package-0-die-1"), "sum") == (
        source.record.rails,
        source.record.total,
    )
    assert "same counter" not in source.record.covers
    assert pytest.approx(3.0) == source.read() - start_j


def test_a_mirror_is_known_while_the_counter_runs_and_while_it_wraps(tree: Tree) -> None:
    """Each reading, of either die, finds the counter 300 uJ on."""
    system = dies(tree("amd"), 0, 0)
    range_uj = int(system.read(f"{ZONE}/max_energy_range_uj"))

    class Running(System):
        used_uj = range_uj - 500

        def read(self, path: str) -> str:
            if path.endswith("energy_uj"):
                self.used_uj += 300
                return str(self.used_uj % range_uj)
            return super().read(path)

    assert ("package-0-die-0",) == sensor(Running(system.root, system.tree)).record.rails


def test_advice_fits_the_processor(tree: Tree) -> None:
    """Loading Intel's module helps neither on Arm nor in a virtual machine."""
    arm, virtual, real = tree("raspberrypi4"), tree("bare"), tree("intel-no-permission")
    write(virtual, "/proc/cpuinfo", "model name\t: QEMU\nflags\t\t: fpu hypervisor lahf_lm\n")
    for zone in real.glob("/sys/class/powercap/intel-rapl:*"):
        write(real, f"{zone}/name", "psys\n")

    found = [rapl.probe(system) for system in (arm, virtual, real)]

    assert ["only processors of Intel and AMD have one", "this is a virtual machine"] == [
        (probe.reason or "").partition("; ")[2].removesuffix(", which has none")
        for probe in found[:2]
    ]
    meter = "Use an external meter: --power-csv FILE"
    assert [meter, meter] == [probe.fix for probe in found[:2]]
    assert f"sudo modprobe intel_rapl_msr; if that does not help: {meter}" == found[2].fix


def test_a_wrap_within_a_window_is_counted_through(tree: Tree) -> None:
    """The counter restarts once at 0 after 262 143.328850 J; 100 W all the time."""
    system, time = tree("intel"), SyntheticTime(100.0)
    source: EnergySource = sensor(system)
    range_uj = int(system.read("/sys/class/powercap/intel-rapl:0/max_energy_range_uj"))
    first_uj = range_uj - 500_000_000  # five seconds before it wraps

    class Following(RaplSensor):
        def read(self) -> float:
            used_uj = int(time.joules(time.now()) * 1e6)
            write(system, PACKAGE, str((first_uj + used_uj) % range_uj))
            return super().read()

    source = Following(system, {"package-0": "/sys/class/powercap/intel-rapl:0"})
    recording = source.start(time)
    start_s = recording.edge()
    time.sleep(10.0)
    end_s = recording.edge()
    recording.stop()

    found = recording.trace([]).energy(start_s, end_s)
    assert None is found.reason
    assert pytest.approx(1000.0, rel=0.001) == found.joules
    assert int(system.read(PACKAGE)) < first_uj


def test_no_permission_is_told_apart_from_no_counter(tree: Tree) -> None:
    denied, absent = rapl.probe(tree("intel-no-permission")), rapl.probe(tree("bare"))

    assert (None, None) == (denied.source, absent.source)
    assert f"no permission to read {PACKAGE}" == denied.reason
    assert denied.fix is not None
    assert denied.fix.startswith("sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy_uj")
    assert absent.reason is not None
    assert "no processor package under /sys/class/powercap" in absent.reason


def test_a_counter_that_says_no_number_is_named(tree: Tree) -> None:
    system = tree("intel")
    write(system, PACKAGE, "\n")

    found = rapl.probe(system)

    assert found.source is None
    assert found.reason is not None
    assert "the counter of package-0 cannot be read: invalid literal" in found.reason
