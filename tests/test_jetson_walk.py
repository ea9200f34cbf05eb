"""The boards page's walk from a host to a Jetson and back, every command of calexnet's in it.

The Jetson is a recorded tree, and its TensorRT a stand-in that computes with ONNX Runtime.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from calexnet.cli import bench, export, hardware_check, main
from tests.runtimes.tensorrt.conftest import forget, put_in_place
from tests.support import tensorrt_stand_in

ROOT = Path(__file__).resolve().parent.parent
TREE = ROOT / "tests/devices/trees/jetson-orin-nano.json"
COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "calexnet": main,
    "calexnet-export": export.main,
    "calexnet-bench": bench.main,
    "calexnet.cli.hardware_check": hardware_check.main,
}
#: What keeps a test short.
QUICK = "--batch 1 --threads 1 --blocks 10 --seconds 0.2 --no-memory --allow-unstable"
QUICK += " --energy-windows 0"


def commands() -> tuple[list[list[str]], list[list[str]]]:
    """Return the words of what docs/boards.md runs on the host and on the Jetson."""
    section = (ROOT / "docs/boards.md").read_text("utf-8").split("## A Jetson")[1]
    host, jetson = section.split("```sh")[1].split("```")[0].split("# on the Jetson")
    return tuple(  # type: ignore[return-value]
        [words for line in part.splitlines() if (words := shlex.split(line, comments=True))]
        for part in (host, jetson.split("\n", 1)[1])
    )


def run(words: list[str], *more: str) -> None:
    assert 0 == COMMANDS[words[0]]([*words[1:], *more]), words


def asked(words: list[str]) -> list[str]:
    """Return a command of calexnet's as `COMMANDS` names it, with what keeps it short; else none.

    ``python -m`` begins the hardware check.
    """
    if words[:2] == ["python", "-m"]:
        return [*words[2:], "--", *QUICK.split(), "--target", "tensorrt", "--precision", "fp16"]
    if words[0] == "calexnet-bench":
        return [*words, *QUICK.split()]
    return words if words[0] in COMMANDS else []


@pytest.mark.slow
def test_every_command_of_the_walk_runs(
    small_bundle: Path, small_npz: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small_bundle, "bundles/digits")
    host, jetson = commands()
    for words in host:
        if words[0] == "scp":
            assert ["scp", "-r", "bundles/digits", "digits.npz", "jetson:"] == words
            shutil.move("bundles/digits", "digits")
        elif words[1] == "data":
            # The set of the small bundle instead; its recorded test part is found in it.
            shutil.copy(small_npz, words[words.index("--out") + 1])
        else:
            words[words.index("--calib-data") + 1] = str(small_npz)
            run(words)
    monkeypatch.setenv("CALEXNET_SYSFS_ROOT", str(TREE))
    put_in_place(monkeypatch, tensorrt_stand_in.Cuda())
    ran = []
    for words in jetson:
        if command := asked(words):
            run(command)
            ran.append(command[0])
    forget()

    assert 2 == ran.count("calexnet-export")
    assert ["calexnet-bench"] * 2 + ["calexnet.cli.hardware_check"] == ran[-3:]
    for folder, clock in (("report", "wall"), ("report-gpu", "gpu")):
        report = json.loads(Path(folder, "report.json").read_bytes())
        providers = report["provenance"]["providers"]
        assert ["tensorrt fp16", "tensorrt int8-symmetric"] == sorted(providers)
        assert {"cuda"} == set(providers.values())
        assert "jetson" == report["device"]["name"]
        assert clock == report["provenance"]["clock"]
    found = json.loads(Path("hardware-check.json").read_bytes())
    built = {
        check["precision"]: check for check in found["builds"] if check["target"] == "tensorrt"
    }
    assert {"fp32", "fp16", "int8-symmetric"} == built.keys()
    assert {None} == {check["problem"] for check in built.values()}
    assert None is found["report_problem"]
    assert "jetson" == found["device"]["name"]
