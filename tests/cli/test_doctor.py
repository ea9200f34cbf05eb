"""``calexnet doctor``: everything that was looked at, what it says, and the next command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from calexnet.cli import main
from calexnet.devices.system import ROOT_VARIABLE
from calexnet.errors import RuntimeUnavailableError
from calexnet.runtimes.onnxruntime import OnnxRuntime
from tests.devices.conftest import recorded


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Doctor:
    return Doctor(capsys, monkeypatch)


class Doctor:
    """What the command says on a tree, as lines without their alignment."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.capsys, self.monkeypatch = capsys, monkeypatch

    def on(self, tree: str | None, *words: str, code: int = 0) -> list[str]:
        if tree is not None:
            self.monkeypatch.setenv(ROOT_VARIABLE, str(recorded(tree)))
        assert code == main(["doctor", *words])
        return [" ".join(line.split()) for line in self.capsys.readouterr().out.splitlines()]


def test_a_board_shows_targets_devices_rails_and_sensors(said: Doctor) -> None:
    lines = said.on("jetson-agx-orin")

    assert lines[0].startswith("calexnet ")
    assert "onnxruntime yes can be used" in lines
    assert "jetson yes NVIDIA Jetson AGX Orin Developer Kit, MODE_30W (2)" in lines
    assert any(line.startswith("raspberrypi no this machine is no raspberrypi:") for line in lines)
    (rails,) = [line for line in lines if line.startswith("ina yes")]
    assert rails.endswith("not the carrier board; VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0 (sum)")
    assert "clock of gpu yes 612 MHz, 306 to 612 MHz, nvhost_podgov" in lines
    assert "load of gpu yes 34%" in lines
    assert "temperature of tj-thermal yes 49.0 C" in lines
    assert "temperature of gpu-thermal no Resource temporarily unavailable" in lines
    assert 1 == sum(line.startswith("Energy on ") for line in lines), "the processor is part of it"


def test_what_cannot_be_read_comes_with_the_next_command(said: Doctor) -> None:
    lines = said.on("intel-no-permission")

    at = lines.index("Energy on cpu")
    assert lines[at + 1] == (
        "rapl no no permission to read /sys/class/powercap/intel-rapl:0/energy_uj"
    )
    assert lines[at + 2].startswith("next: sudo chmod a+r /sys/class/powercap/intel-rapl:*/energy")


def test_throttling_is_shown(said: Doctor) -> None:
    lines = said.on("raspberrypi5")

    assert "slowed down yes no" in lines
    assert "events yes the processor is throttled: 1" in lines


def test_a_machine_without_any_sensor_is_described_all_the_same(said: Doctor) -> None:
    lines = said.on("bare")

    assert "cpu yes QEMU Virtual CPU" in lines
    for sensor in ("clock", "temperature", "throttling"):
        assert any(line.startswith(f"{sensor} no ") for line in lines)


def test_an_unknown_board_is_named_with_what_to_do(said: Doctor) -> None:
    lines = said.on("jetson-agx-xavier")

    (line,) = [line for line in lines if line.startswith("jetson no ")]
    assert "send in what calexnet doctor --record FILE writes" in line
    assert "cpu yes Jetson-AGX" in lines


def test_this_machine_can_be_asked(said: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)

    lines = said.on(None)

    assert "Targets" in lines
    assert any(line.startswith("cpu yes ") for line in lines)


def test_without_any_target_it_says_all_and_fails(
    said: Doctor, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: object) -> None:
        raise RuntimeUnavailableError("ONNX Runtime cannot be used here", fix="Install it")

    monkeypatch.setattr(OnnxRuntime, "require", missing)
    monkeypatch.setattr(
        "calexnet.runtimes.loading.RUNTIMES",
        {"onnxruntime": lambda: OnnxRuntime},
    )

    lines = said.on("bare", code=4)

    assert "onnxruntime no ONNX Runtime cannot be used here. Install it." in lines


def test_a_record_is_a_tree_that_can_be_read_again(said: Doctor, tmp_path: Path) -> None:
    lines = said.on("jetson-thor", "--record", str(tmp_path / "thor.json"))

    assert lines[0].endswith("files that the readers saw. Look through it, then send it in.")
    document = json.loads((tmp_path / "thor.json").read_text("utf-8"))
    assert ("reconstructed", "NVIDIA Jetson AGX Thor Developer Kit") == (
        document["origin"],
        document["board"],
    )
