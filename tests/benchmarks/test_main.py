"""``make bench``: every line, with small cascades in the place of the large ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks import __main__ as speed
from benchmarks import app as speed_app
from benchmarks import networks as speed_networks
from benchmarks import report as speed_report
from benchmarks import training as speed_training
from benchmarks.runner import Figure
from calexnet.bench.report.interval import Interval
from calexnet.bundle import open_bundle
from calexnet.export import export_if
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import random_images, write_bundle


@pytest.mark.slow
def test_the_command_prints_a_line_a_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def make(network: speed_networks.Network, folder: Path) -> NDArray[np.uint8]:
        write_bundle(folder)
        return random_images(32)

    def runner(bundle: Path, target: str = "onnxruntime", **choices: object) -> Runner:
        layout = str(choices.get("layout", "segments"))
        return load_runner(open_bundle(bundle), target, threads=1, layout=layout)

    def no_int8(folder: Path, images: object) -> None:
        assert (folder / "manifest.json").is_file()

    monkeypatch.setattr(speed_networks, "make_bundle", make)
    monkeypatch.setattr(speed_networks, "add_int8", no_int8)
    monkeypatch.setattr(speed, "_runner", runner)
    monkeypatch.setattr(speed, "_test_digits", lambda _: random_images(96))
    monkeypatch.setattr(speed, "_MILLION", 2_000)
    monkeypatch.setattr(speed_app, "_import_ms", lambda: 12.5)
    monkeypatch.setattr(speed_app, "_load_ms", lambda *_: [9.0, 2.0, 1.0])
    for part, count in (("_TRAIN", 128), ("_CALIBRATION", 100)):
        monkeypatch.setattr(speed_training, part, count)
    write_bundle(tmp_path / "digits")
    asked: list[Path] = []

    def figures(bundle: Path, data: object) -> list[Figure]:
        asked.append(bundle)
        return []

    monkeypatch.setattr(speed_report, "report_figures", figures)
    took = Figure("digits: calexnet-bench as it comes", Interval(60.0, 60.0, 60.0), 90, "s")
    monkeypatch.setattr(speed_report, "default_figure", lambda bundle, data: took)

    assert 0 == speed.main(["--blocks", "2", "--digits", str(tmp_path / "digits")])

    lines = capsys.readouterr().out.splitlines()
    assert 2 == sum(" us  (bar 10: " in line for line in lines)
    for size, chain in (("32x32", 1.05), ("224x224", 1.03)):
        for word in ("one thread", "all cores"):
            for batch in (1, 8, 32):
                start = f"ResNet-18, {size}, {word}, batch {batch}: "
                (total,) = (one for one in lines if one.startswith(f"{start}cascade / sum of"))
                assert f"(bar {1.02 if batch == 1 else 1.05}: " in total
            start = f"ResNet-18, {size}, {word}, batch 1: chain, nobody exiting / plain"
            (line,) = (one for one in lines if one.startswith(start))
            assert f"(bar {chain}: " in line
    assert 3 == sum("throughput / what its segments imply" in line for line in lines)
    assert 1 == sum("(bar >= 0.95: " in line for line in lines)
    assert 3 == sum("faster than plain (FLOPs imply " in line for line in lines)
    assert 6 == sum("layout if / " in line for line in lines)
    assert 6 == sum(line.startswith("ResNet-18, 32x32, tflite, batch ") for line in lines)
    assert any(line.startswith("ResNet-18, 32x32: load  ") for line in lines)
    (line,) = (one for one in lines if "2,000 inferences: growth of resident memory" in one)
    assert line.endswith((" %  (bar 1: met)", " %  (bar 1: missed)"))
    assert 6 == sum("planned anew / padded to 8" in line for line in lines)
    start = "three branches, 128 samples, 40 epochs"
    (memory,) = (one for one in lines if one.startswith(f"{start}: peak memory of the process"))
    assert 0.1 < float(memory.removesuffix(" GB  (bar 4)").split()[-1]) < 4
    assert 1 == sum(one.startswith(f"{start}  ") and one.endswith("(bar 120)") for one in lines)
    assert [tmp_path / "digits"] == asked
    assert str(took) in lines
    assert lines[-4].startswith("import calexnet, beyond importing onnxruntime and numpy")
    assert lines[-4].endswith(" 12.5 ms  (bar 50)")
    for line, runtime in zip(lines[-3:-1], ("onnxruntime", "ai-edge-litert"), strict=True):
        assert line.startswith(f"an app's install: numpy, {runtime} and what they need, unpacked")
        assert line.endswith(" MB  (bar 200)")


def test_without_the_digits_it_says_what_makes_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(speed, "_network_figures", lambda *_: ())
    monkeypatch.setattr(speed_training, "print_training_figures", lambda: None)
    monkeypatch.setattr(speed_app, "print_app_figures", lambda: None)

    assert 0 == speed.main([])

    said = "No figures of the digits: run make demo first, or name their bundle with --digits"
    assert said == capsys.readouterr().out.splitlines()[0]


@pytest.mark.slow
def test_a_profile_is_printed_instead_of_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def make(network: speed_networks.Network, folder: Path) -> NDArray[np.uint8]:
        write_bundle(folder)
        return random_images(2)

    monkeypatch.setattr(speed_networks, "make_bundle", make)

    assert 0 == speed.main(["--profile"])

    lines = capsys.readouterr().out.splitlines()
    assert 4 == sum(line.startswith("ResNet-18, ") for line in lines)
    assert 4 == sum(line.startswith("dispatch ") for line in lines)
    assert 4 * 7 == len(lines)


def test_the_time_of_an_export_leaves_the_target_in_the_bundle(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")

    assert 0 < speed._time_tflite_export(tmp_path / "bundle") < 60
    found = open_bundle(tmp_path / "bundle").manifest.compiled
    assert ["onnxruntime", "tflite"] == [build.target for build in found]


def test_a_runner_is_what_was_asked_for(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    export_if(tmp_path / "bundle")

    assert "if" == speed._runner(tmp_path / "bundle", layout="if").compiled.layout
    assert "segments" == speed._runner(tmp_path / "bundle", threads=None).compiled.layout


@pytest.mark.slow
@pytest.mark.parametrize("backbone", ["resnet8", speed_networks.DEPTHWISE.backbone])
def test_a_network_is_exported_with_random_weights_and_narrowed(
    tmp_path: Path, backbone: str
) -> None:
    attach = ("layer1",) if backbone == "resnet8" else ("blocks.2",)
    network = speed_networks.Network("small", backbone, attach, side=32, images=24)

    images = speed_networks.make_bundle(network, tmp_path / "bundle")
    speed_networks.add_int8(tmp_path / "bundle", images)

    assert (24, 32, 32, 3) == images.shape
    for precision in ("fp32", "int8"):
        runner = speed._runner(tmp_path / "bundle", precision=precision)
        assert [2] * 24 == runner(images).exits.tolist(), "nobody leaves"
