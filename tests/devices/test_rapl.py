"""The processor packages' counters: which are added, how they wrap, and why they cannot be read."""

# The expected value comes first in every comparison.
from __future__ import annotations

import pytest

from calexnet.devices import rapl
from calexnet.devices.energy import EnergySource
from calexnet.devices.rapl import RaplSensor
from calexnet.devices.system import System
from tests.devices.conftest import Tree, write
from tests.synthetic_power import SyntheticTime

PACKAGE = "/sys/class/powercap/intel-rapl:0/energy_uj"


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


def test_two_sockets_are_added_up(own_tree: Tree) -> None:
    system = own_tree("amd")
    source = sensor(system)
    other = "/sys/class/powercap/intel-rapl:1/energy_uj"
    start_j = source.read()

    write(system, PACKAGE, "54000000\n")
    write(system, other, str(65532600000 + 5000))

    assert (("package-0", "package-1"), "sum") == (source.record.rails, source.record.total)
    assert pytest.approx(3.005) == source.read() - start_j


def test_a_wrap_within_a_window_is_counted_through(own_tree: Tree) -> None:
    """The counter restarts once at 0 after 262 143.328850 J; 100 W all the time."""
    system, time = own_tree("intel"), SyntheticTime(100.0)
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


def test_a_counter_that_says_no_number_is_named(own_tree: Tree) -> None:
    system = own_tree("intel")
    write(system, PACKAGE, "\n")

    found = rapl.probe(system)

    assert found.source is None
    assert found.reason is not None
    assert "the counter of package-0 cannot be read: invalid literal" in found.reason
