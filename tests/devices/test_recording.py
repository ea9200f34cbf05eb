"""A tree that is recorded gives the same device back, and holds nothing private."""

# The expected value comes first in every comparison.
from __future__ import annotations

import getpass
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.devices import find_device
from calexnet.devices.recording import record_tree
from calexnet.devices.system import TREE, System, recorded_tree
from calexnet.errors import StorageError
from tests.devices.conftest import TREES, Tree, write
from tests.devices.test_devices import family


@pytest.mark.parametrize("name", sorted(p.name for p in TREES.iterdir()))
def test_a_recorded_tree_reads_like_the_machine_it_was_recorded_on(
    name: str, tree: Tree, tmp_path: Path
) -> None:
    original = tree(name)
    record_tree(original, tmp_path / "tree")
    copy = recorded_tree(tmp_path / "tree")

    device = "cpu" if name == "jetson-agx-xavier" else family(name)
    before, after = find_device(device, original), find_device(device, copy)
    assert before.describe() == after.describe()
    for probe, other in zip(before.probes(), after.probes(), strict=True):
        assert (probe.reason, probe.fix) == (other.reason, other.fix)
        if probe.source is not None:
            assert other.source is not None
            assert probe.source.record == other.source.record


def test_nothing_private_is_recorded(own_tree: Tree, tmp_path: Path) -> None:
    """Serial numbers, names and processes lie right beside what is read."""
    system = own_tree("raspberrypi5")
    private = "10000000abcdef01"
    write(system, "/proc/cpuinfo", f"model name\t: Cortex-A76\nSerial\t\t: {private}\n")
    write(system, "/proc/meminfo", f"MemTotal: 8250832 kB\nMemFree: 1 kB\n{private}: 1\n")
    write(system, "/proc/loadavg", f"0.10 0.20 0.30 1/200 {private}")
    write(system, "/proc/device-tree/serial-number", private)
    write(system, "/etc/hostname", private)
    write(system, "/etc/machine-id", private)

    paths = record_tree(system, tmp_path / "tree")

    written = [path for path in (tmp_path / "tree").rglob("*") if path.is_file()]
    assert len(paths) + 1 == len(written)
    for path in written:
        assert private not in path.read_text("utf-8"), path


def test_this_machine_s_record_names_neither_user_nor_host(tmp_path: Path) -> None:
    record_tree(System(), tmp_path / "tree")

    record = json.loads((tmp_path / "tree" / TREE).read_text("utf-8"))
    assert "recorded" == record["origin"]
    assert record["sources"][0].startswith("calexnet ")
    text = "\n".join(p.read_text("utf-8") for p in (tmp_path / "tree").rglob("*") if p.is_file())
    for word in {getpass.getuser(), socket.gethostname()} - {"root", "localhost"}:
        assert word not in text


def test_what_was_refused_stays_refused(tree: Tree, tmp_path: Path) -> None:
    record_tree(tree("intel-no-permission"), tmp_path / "tree")

    copy = recorded_tree(tmp_path / "tree")

    assert copy.tree is not None
    assert {"/sys/class/powercap/intel-rapl:0/energy_uj": "EACCES"} == copy.tree.refused
    assert replace(copy.tree, refused={}).board == "13th Gen Intel(R) Core(TM) i7-1365U"


def test_an_earlier_tree_is_replaced_and_somebody_else_s_folder_is_not(
    tree: Tree, tmp_path: Path
) -> None:
    record_tree(tree("intel"), tmp_path / "tree")
    record_tree(tree("amd"), tmp_path / "tree")
    assert recorded_tree(tmp_path / "tree").tree is not None
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("mine")

    with pytest.raises(StorageError, match="will not replace"):
        record_tree(tree("amd"), tmp_path / "mine")
