"""Files and commands of this machine, and of a recorded tree in its place."""

# The expected value comes first in every comparison.
from __future__ import annotations

import json
from pathlib import Path

import pytest

from calexnet.devices.system import ROOT_VARIABLE, TREE, System, here, recorded_tree
from calexnet.errors import DeviceError


@pytest.fixture
def made(tmp_path: Path) -> System:
    """A tree with a file, a command and two refusals."""
    for path, text in {
        "sys/zone2/temp": "20\n",
        "sys/zone10/temp": "no number\n",
        "proc/device-tree/model": "A board\0",
        "commands/tool -q": "says this\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    record = {
        "origin": "recorded",
        "board": "A board",
        "sources": ["a test"],
        "refused": {"/sys/secret": "EACCES", "/commands/other": "ETIMEDOUT"},
    }
    (tmp_path / TREE).write_text(json.dumps(record))
    return recorded_tree(tmp_path)


def test_a_tree_takes_the_place_of_the_machine(made: System) -> None:
    assert ("20", 20.0) == (made.text("/sys/zone2/temp"), made.number("/sys/zone2/temp"))
    assert None is made.number("/sys/zone10/temp")
    assert None is made.text("/etc/hostname")
    assert "A board" == made.text("/proc/device-tree/model")
    assert "says this" == made.run("tool", "-q")
    assert ["/sys/zone2/temp", "/sys/zone10/temp"] == made.glob("/sys/zone*/temp")


def test_what_was_refused_there_is_refused_here(made: System) -> None:
    with pytest.raises(PermissionError, match="Permission denied"):
        made.read("/sys/secret")
    with pytest.raises(TimeoutError):
        made.run("other")
    with pytest.raises(FileNotFoundError):
        made.run("nothing")


def test_the_variable_names_the_tree(made: System, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Path("/"), None) == (here().root, here().tree)

    monkeypatch.setenv(ROOT_VARIABLE, str(made.root))

    assert (made.root, made.tree) == (here().root, here().tree)


@pytest.mark.parametrize("document", [None, "{", "[]", '{"origin": "recorded"}'])
def test_a_folder_that_is_no_tree_is_refused(
    document: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if document is not None:
        (tmp_path / TREE).write_text(document)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path))

    with pytest.raises(DeviceError, match=r" is no recorded tree: got .*; expected a folder with"):
        here()


def test_a_command_of_this_machine_is_run() -> None:
    assert "hello" == System().run("echo", "hello")
    with pytest.raises(FileNotFoundError):
        System().run("calexnet-no-such-command")
    with pytest.raises(OSError, match="sh -c echo no >&2; exit 3: no"):
        System().run("sh", "-c", "echo no >&2; exit 3")


def test_a_command_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("calexnet.devices.system._COMMAND_S", 0.05)
    with pytest.raises(TimeoutError, match="sleep did not end"):
        System().run("sleep", "5")
