"""``make bench``: the figures themselves, on a small bundle."""

# The expected value comes first in every comparison.
from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from calexnet.bench import speed, speed_training
from calexnet.bundle import open_bundle
from calexnet.gating import ExitTable, choose_exits, exit_rates
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.trace import SegmentCall
from tests.onnx_bundle import random_images, write_bundle


@pytest.fixture
def runner(bench_bundle: Path) -> Runner:
    return load_runner(open_bundle(bench_bundle), threads=1)


def test_a_bundle_gives_three_ratios_at_two_batch_sizes(bench_bundle: Path) -> None:
    figures = speed.runner_figures("small", bench_bundle, random_images(32), 3, 1.05)

    assert [
        f"small, batch {batch}: {what}"
        for batch in (1, 32)
        for what in (
            "chain, nobody exiting / plain",
            "cascade / sum of its segments",
            "cascade / plain",
        )
    ] == [figure.what for figure in figures]
    assert [1.05, 1.05, None] * 2 == [figure.limit for figure in figures]
    for figure in figures:
        assert 0 < figure.ratio.low <= figure.ratio.value <= figure.ratio.high


def test_a_replay_gives_each_segment_what_the_cascade_gives_it(runner: Runner) -> None:
    batches = [random_images(16, seed=seed) for seed in range(2)]
    exits = [runner(batch).exits for batch in batches]

    task = speed._replay(runner, [batches])

    calls = [call for call in task.calls(0) if isinstance(call, SegmentCall)]
    reached = [int((taken >= k).sum()) for taken in exits for k in (1, 2, 3)]
    assert 32 == task.images
    assert [16, 16] == reached[::3]
    assert reached == [len(next(iter(call.feeds.values()))) for call in calls]
    assert ["segment1", "segment2", "segment3"] * 2 == [c.engine.record.name for c in calls]
    assert reached == [len(call()[-1]) for call in calls]


def test_a_replay_leaves_out_what_nobody_reaches(runner: Runner) -> None:
    closed = runner.with_thresholds(np.full((2, 4), -np.inf, np.float32))

    assert 1 == len(speed._replay(closed, [[random_images(4)]]).calls(0))


def test_the_time_of_an_export_leaves_the_target_in_the_bundle(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")

    assert 0 < speed.time_tflite_export(tmp_path / "bundle") < 60
    found = open_bundle(tmp_path / "bundle").manifest.compiled
    assert ["onnxruntime", "tflite"] == [build.target for build in found]


def test_what_an_app_installs_is_followed_to_the_end() -> None:
    found = speed._closure("onnxruntime", "numpy")

    assert {"onnxruntime", "numpy", "protobuf", "flatbuffers"} <= found
    assert not {"torch", "onnx", "scikit-learn", "pillow", "sympy"} & found
    assert speed._size_mb("numpy") > 5


def test_forced_thresholds_give_the_rates_that_are_asked_for() -> None:
    rng, shape = np.random.default_rng(0), (4, 500)
    labels = rng.integers(0, 5, shape).astype(np.int32)
    table = ExitTable(labels, rng.random(shape, dtype=np.float32))

    exits = choose_exits(table, speed._forced(table, classes=5))

    np.testing.assert_allclose(speed.EXIT_RATES, exit_rates(exits, 4), atol=0.01)


def test_the_command_prints_a_line_a_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a small cascade in the place of the ResNet-18."""

    def make(folder: Path) -> NDArray[np.uint8]:
        write_bundle(folder)
        return random_images(32)

    monkeypatch.setattr(speed, "make_resnet18_bundle", make)
    monkeypatch.setattr(speed, "_import_ms", lambda: 12.5)
    monkeypatch.setattr(speed_training, "_SAMPLES", 600)

    assert 0 == speed.main(["--blocks", "2"])

    lines = capsys.readouterr().out.splitlines()
    assert 18 == len(lines)
    assert 4 == sum(line.endswith("(bar 1.05)") for line in lines)
    assert 6 == sum(line.startswith("ResNet-18, 32x32, tflite, batch ") for line in lines)
    assert lines[-6].startswith("ResNet-18, 32x32: export to tflite from its bundle")
    assert lines[-6].endswith(" s   (bar 3)")
    assert lines[-5].startswith("three branches, 45,000 samples, 15 epochs")
    assert lines[-5].endswith(" s   (bar 120)")
    assert lines[-4].startswith("another operating point of trained branches, 5,000 samples")
    assert lines[-3].startswith("import calexnet, beyond importing onnxruntime and numpy")
    assert lines[-3].endswith(" 12.5 ms  (bar 50)")
    for line, runtime in zip(lines[-2:], ("onnxruntime", "ai-edge-litert"), strict=True):
        assert line.startswith(f"an app's install: numpy, {runtime} and what they need, unpacked")
        assert line.endswith(" MB  (bar 200)")


def test_the_time_of_an_import_is_measured_in_a_process_of_its_own() -> None:
    assert 0 < speed._import_ms() < 10_000
