"""A record reads like the machine that was recorded, and holds nothing private."""

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
from calexnet.files import schema
from tests.devices.conftest import NAMES, Tree, write
from tests.devices.test_devices import family


@pytest.mark.parametrize("name", NAMES)
def test_a_record_reads_like_the_machine_that_was_recorded(
    name: str, tree: Tree, tmp_path: Path
) -> None:
    original = tree(name)
    record_tree(original, tmp_path / "board.json")
    copy = recorded_tree(tmp_path / "board.json")

    device = "cpu" if name == "jetson-agx-xavier" else family(name)
    before, after = find_device(device, original), find_device(device, copy)
    assert before.describe() == after.describe()
    for probe, other in zip(before.probes(), after.probes(), strict=True):
        assert (probe.reason, probe.fix) == (other.reason, other.fix)
        if probe.source is not None:
            assert other.source is not None
            assert probe.source.record == other.source.record


def test_nothing_private_is_recorded(tree: Tree, tmp_path: Path) -> None:
    """Serial numbers, names and processes lie right beside what is read."""
    system = tree("raspberrypi5")
    private = "10000000abcdef01"
    write(system, "/proc/cpuinfo", f"model name\t: Cortex-A76\nSerial\t\t: {private}\n")
    write(system, "/proc/meminfo", f"MemTotal: 8250832 kB\nMemFree: 1 kB\n{private}: 1\n")
    write(system, "/proc/loadavg", f"0.10 0.20 0.30 1/200 {private}")
    write(system, "/proc/device-tree/serial-number", private)
    write(system, "/etc/hostname", private)
    write(system, "/etc/machine-id", private)

    record_tree(system, tmp_path / "board.json")

    assert private not in (tmp_path / "board.json").read_text("utf-8")


def test_this_machine_s_record_names_neither_user_nor_host(tmp_path: Path) -> None:
    seen = record_tree(System(), tmp_path / "board.json")

    text = (tmp_path / "board.json").read_text("utf-8")
    record = json.loads(text)
    assert "recorded" == record["origin"]
    assert record["sources"][0].startswith("calexnet ")
    assert sorted(seen) == list(record["files"])
    for word in {getpass.getuser(), socket.gethostname()} - {"root", "localhost"}:
        assert word not in text


def test_what_was_refused_stays_refused(tree: Tree, tmp_path: Path) -> None:
    record_tree(tree("intel-no-permission"), tmp_path / "board.json")

    copy = recorded_tree(tmp_path / "board.json")

    assert copy.tree is not None
    assert {"/sys/class/powercap/intel-rapl:0/energy_uj": "EACCES"} == copy.tree.refused
    assert replace(copy.tree, refused={}).board == "13th Gen Intel(R) Core(TM) i7-1365U"


def test_a_folder_of_files_as_it_was_recorded_earlier_is_read(tree: Tree, tmp_path: Path) -> None:
    record = tree("jetson-orin-nano").tree
    assert record is not None
    for path, text in record.files.items():
        file = tmp_path / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n", "utf-8")
    document = schema.encode(replace(record, files={}))
    del document["files"]
    (tmp_path / TREE).write_text(json.dumps(document), "utf-8")

    device = find_device("jetson", recorded_tree(tmp_path))

    assert find_device("jetson", tree("jetson-orin-nano")).describe() == device.describe()


def test_an_earlier_record_is_replaced_and_somebody_else_s_file_is_not(
    tree: Tree, tmp_path: Path
) -> None:
    record_tree(tree("intel"), tmp_path / "board.json")
    record_tree(tree("amd"), tmp_path / "board.json")
    found = recorded_tree(tmp_path / "board.json").tree
    assert found is not None
    assert found.board.startswith("AMD")
    (tmp_path / "thesis.tex").write_text("mine")

    with pytest.raises(StorageError, match=r"thesis\.tex: got something else than a recorded mach"):
        record_tree(tree("amd"), tmp_path / "thesis.tex")
    with pytest.raises(StorageError, match="a folder; expected a file name"):
        record_tree(tree("amd"), tmp_path)
