"""What an app pays: imports, installs, loading, and memory that stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import app as speed_app
from calexnet.bundle import open_bundle
from calexnet.runtimes.loading import load_runner
from tests.support.onnx_bundle import random_images


def test_what_an_app_installs_is_followed_to_the_end() -> None:
    found = speed_app._closure("onnxruntime", "numpy")

    assert {"onnxruntime", "numpy", "protobuf", "flatbuffers"} <= found
    assert not {"torch", "onnx", "scikit-learn", "pillow", "sympy"} & found
    assert speed_app._size_mb("numpy") > 5


def test_the_time_of_an_import_is_measured_in_a_process_of_its_own() -> None:
    assert 0 < speed_app._import_ms() < 10_000


@pytest.mark.slow
def test_loading_and_the_first_call_are_timed_in_a_process_of_their_own(
    bench_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    speed_app.print_load_figures("small", bench_bundle, repeats=2)

    lines = capsys.readouterr().out.splitlines()
    ways = ("", ", graphs kept by an earlier load", ", lazy")
    calls = ("load", "first call, batch 1", "second call")
    for way in ways:
        for what in calls:
            (line,) = (one for one in lines if one[:84].strip() == f"small: {what}{way}")
            assert line.endswith(" ms")
    assert 2 == sum("/ load " in line for line in lines)
    assert 11 == len(lines)


def test_resident_memory_stays_where_it_is(bench_bundle: Path) -> None:
    runner = load_runner(open_bundle(bench_bundle), threads=1)

    growth = speed_app.resident_growth(runner, random_images(96), 20_000)

    assert -0.2 < growth < 0.05


def test_every_inference_is_counted(bench_bundle: Path) -> None:
    runner = load_runner(open_bundle(bench_bundle), threads=1)
    rng = np.random.default_rng(0)

    done = speed_app._answer_images(runner, random_images(96), 500, rng)

    assert 500 <= done < 500 + 64
