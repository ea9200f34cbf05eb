"""Files and commands of this machine, and of a recorded tree in its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calexnet.devices.system import ROOT_VARIABLE, TREE, System, here, recorded_tree
from calexnet.errors import DeviceError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a machine with a file, a command and two refusals."""
    record = {
        "origin": "recorded",
        "board": "A board",
        "sources": ["a test"],
        "refused": {"/sys/secret": "EACCES", "/commands/other": "ETIMEDOUT"},
        "files": {
            "/sys/zone2/temp": "20\n",
            "/sys/zone10/temp": "no number\n",
            "/sys/zone10/below/temp": "1",
            "/proc/device-tree/model": "A board\0",
            "/commands/tool -q": "says this\n",
        },
    }
    (tmp_path / "board.json").write_text(json.dumps(record))
    return tmp_path / "board.json"


@pytest.fixture
def made(path: Path) -> System:
    return recorded_tree(path)


def test_a_tree_takes_the_place_of_the_machine(made: System) -> None:
    assert ("20", 20.0) == (made.text("/sys/zone2/temp"), made.number("/sys/zone2/temp"))
    assert None is made.number("/sys/zone10/temp")
    assert None is made.text("/etc/hostname")
    assert "A board" == made.text("/proc/device-tree/model")
    assert "says this" == made.run("tool", "-q")
    assert ["/sys/zone2/temp", "/sys/zone10/temp"] == made.glob("/sys/zone*/temp")
    assert ["/sys/zone2", "/sys/zone10"] == made.glob("/sys/zone*"), "folders too"


def test_what_was_refused_there_is_refused_here(made: System) -> None:
    with pytest.raises(PermissionError, match="Permission denied"):
        made.read("/sys/secret")
    with pytest.raises(TimeoutError):
        made.run("other")
    with pytest.raises(FileNotFoundError):
        made.run("nothing")


def test_the_variable_names_the_record(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (Path("/"), None) == (here().root, here().tree)

    monkeypatch.setenv(ROOT_VARIABLE, str(path))

    assert recorded_tree(path).tree == here().tree


@pytest.mark.parametrize(
    "document",
    [None, "{", "[]", '{"origin": "recorded"}', '{"files": 1}', " " * 2**20 + "{}", "\0"],
    ids=["absent", "cut", "array", "short", "wrong", "huge", "binary"],
)
@pytest.mark.parametrize("name", ["board.json", f"older/{TREE}"])
def test_what_is_no_record_is_refused(
    document: str | None, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "older").mkdir()
    if document is not None:
        (tmp_path / name).write_text(document)
    monkeypatch.setenv(ROOT_VARIABLE, str(tmp_path / name.partition("/")[0]))

    with pytest.raises(DeviceError, match=r" is no recorded machine: got .*; expected a file that"):
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
