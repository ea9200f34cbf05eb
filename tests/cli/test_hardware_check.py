"""What a machine sends in: what was built, answered and measured there, and what could not be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnxruntime
import pytest

from calexnet.cli import hardware_check
from calexnet.cli.hardware_check import HardwareCheck
from calexnet.data import npz
from calexnet.files import schema
from tests.runtimes.tensorrt.conftest import forget, put_in_place
from tests.support import tensorrt_stand_in
from tests.support.onnx_bundle import sample_data, write_bundle
from tests.support.small_cascade import files_of

QUICK = ["--", "--batch", "1,2", "--energy-windows", "0", "--no-memory", "--allow-unstable"]


@pytest.fixture
def given(tmp_path: Path) -> tuple[Path, Path]:
    """A bundle and its images."""
    write_bundle(tmp_path / "bundle")
    npz.save(sample_data(), tmp_path / "squares.npz")
    return tmp_path / "bundle", tmp_path / "squares.npz"


def check(given: tuple[Path, Path], out: Path, *words: str) -> HardwareCheck:
    bundle, images = given
    options = ["--data", str(images), "--out", str(out)]
    assert 0 == hardware_check.main([str(bundle), *options, *QUICK, *words])
    document: Any = json.loads(out.read_bytes())
    found: HardwareCheck = schema.decode(HardwareCheck, document)
    return found


@pytest.mark.slow
def test_what_is_missing_is_told_beside_what_was_measured(
    given: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    before = files_of(given[0])

    found = check(given, tmp_path / "found.json", "--blocks", "10", "--seconds", "0.5")

    assert before == files_of(given[0])
    built, reference = found.builds
    assert ("tensorrt", "fp32", None, None) == (
        built.target,
        built.precision,
        built.parity,
        built.build_s,
    )
    assert (built.problem or "").startswith("TensorRT cannot be used here: got import of tensorrt")
    assert ("onnxruntime", "cpu", None) == (
        reference.target,
        reference.provider,
        reference.problem,
    )
    assert reference.parity is not None
    assert 0 == reference.parity.label_flips
    assert found.report is not None
    assert None is found.report_problem
    assert {"decision", "amortisation", "device"} <= set(found.report)
    assert None is found.device_problem
    assert (tmp_path / "found-report" / "report.html").is_file()


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_the_graphs_are_tried_on_every_gpu_provider_that_onnx_runtime_lists(
    given: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a build for GPUs are listed on any machine; here the sessions are refused."""
    there = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in there:
        pytest.skip("this ONNX Runtime is a build for GPUs")
    listed = ["TensorrtExecutionProvider", "CUDAExecutionProvider", *there]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: listed)

    found = check(given, tmp_path / "found.json", "--target", "toaster")

    _, processor, *gpus = found.builds
    assert ("cpu", None) == (processor.provider, processor.problem)
    assert [("onnxruntime", "fp32", "cuda"), ("onnxruntime", "fp32", "tensorrt")] == [
        (gpu.target, gpu.precision, gpu.provider) for gpu in gpus
    ]
    for gpu in gpus:
        assert gpu.parity is None
        assert f"does not run segment1 on provider {gpu.provider}: got " in str(gpu.problem)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand-ins for a GPU and its TensorRT."""
    put_in_place(monkeypatch, tensorrt_stand_in.Cuda())
    yield
    forget()


@pytest.mark.slow
def test_engines_are_built_compared_and_planned_for(
    gpu: None, given: tuple[Path, Path], tmp_path: Path
) -> None:
    words = ["--target", "tensorrt", "--blocks", "10", "--seconds", "0.2"]

    found = check(given, tmp_path / "found.json", *words)

    graphs, engines = found.builds
    assert ("tensorrt", "cuda", None, None) == (
        engines.target,
        engines.provider,
        engines.problem,
        engines.plan_problem,
    )
    assert (engines.build_s or 0) > 0
    assert engines.parity is not None
    assert 0 == engines.parity.exit_flips
    assert engines.plan is not None
    assert 3 == engines.plan.segments
    assert (1, 2, 4, 8, 16) == engines.plan.times.batches  # of 30 images
    assert (None, None) == (graphs.plan, graphs.plan_problem)
    assert found.report is not None
    assert {"tensorrt"} == {row["target"] for row in found.report["amortisation"]}


def test_a_plan_that_cannot_be_measured_is_told_beside_the_parity(
    gpu: None, given: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("no time")

    monkeypatch.setattr(hardware_check, "measure", fail)

    found = check(given, tmp_path / "found.json", "--target", "toaster")

    engines = found.builds[-1]
    assert engines.parity is not None
    assert engines.plan is None
    assert str(engines.plan_problem).startswith("RuntimeError: no time\n")


def test_a_measurement_that_fails_is_told(given: tuple[Path, Path], tmp_path: Path) -> None:
    found = check(given, tmp_path / "found.json", "--target", "toaster")

    assert found.report is None
    assert "calexnet-bench ended with 2: calexnet-bench: error: " in (found.report_problem or "")
    assert "toaster" in (found.report_problem or "")


def test_a_word_that_the_measurement_does_not_know_is_told(
    given: tuple[Path, Path], tmp_path: Path
) -> None:
    found = check(given, tmp_path / "found.json", "--no-such-word")

    assert (found.report_problem or "").startswith("calexnet-bench ended with 2: calexnet-bench: e")


@pytest.mark.parametrize(
    ("step", "told_at"),
    [
        ("export_bundle", "engines"),
        ("load_runner", "graphs"),
        ("parity_with", "graphs"),
        ("cli.main", "report"),
        ("open_device", "device"),
    ],
)
def test_a_failure_that_nobody_foresaw_is_told_and_costs_no_other_answer(
    given: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    told_at: str,
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AttributeError("no such name in this TensorRT")

    monkeypatch.setattr(f"calexnet.cli.hardware_check.{step}", fail)

    found = check(given, tmp_path / "found.json", "--target", "toaster")

    engines, graphs = found.builds
    problems = {
        "engines": engines.problem,
        "graphs": graphs.problem,
        "report": found.report_problem,
        "device": found.device_problem,
    }
    assert {told_at} == {place for place, text in problems.items() if "no such name" in str(text)}
    first, *_, last = str(problems[told_at]).splitlines()
    assert "AttributeError: no such name in this TensorRT" == first == last
    assert "in fail" in str(problems[told_at])
    assert (told_at == "graphs") == (graphs.parity is None)
    assert (told_at == "device") == (found.device is None)
