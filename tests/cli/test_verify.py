"""``calexnet verify``: builds against the float32 reference, on images nobody calibrated on."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import cli, runtimes
from calexnet.bundle import open_bundle
from calexnet.cli import verify
from calexnet.data.dataset import Dataset
from calexnet.data.split import recorded_test_part
from calexnet.errors import RuntimeUnavailableError
from calexnet.export import export_bundle
from calexnet.parity import Answers
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.onnxruntime import OnnxRuntime, gpu_providers
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.tflite import Tflite


def verified(bundle: Path, npz: Path, *more: str) -> int:
    return cli.main(["verify", str(bundle), "--data", str(npz), *more])


@pytest.fixture
def with_tflite(small_bundle: Path, tmp_path: Path) -> Path:
    """A bundle with a second target at full precision."""
    folder = Path(shutil.copytree(small_bundle, tmp_path / "bundle"))
    export_bundle(folder, target="tflite")
    return folder


@pytest.mark.slow
def test_every_build_is_compared_on_the_recorded_test_part(
    small_narrow_bundle: Path,
    small_npz: Path,
    small_data: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    count = len(recorded_test_part(small_data, open_bundle(small_narrow_bundle).manifest.split))

    code = verified(small_narrow_bundle, small_npz)

    assert 0 == code
    first, *lines = capsys.readouterr().out.splitlines()
    assert f"{count} test images of tints" == first
    assert [
        "onnxruntime fp32: the reference; at export 0 of 64 answers differed from PyTorch's",
        *(f"onnxruntime {precision}" for precision in ("fp16", "int8", "int8-symmetric")),
        *(f"tflite {precision}" for precision in ("fp16", "int8")),
    ] == [line for line in lines if not line.startswith(" ")]
    told = [line for line in lines if "Answers of the cascade" in line]
    assert 5 == len(told)
    assert all(f" of {count} differ from onnxruntime fp32's; right on " in line for line in told)
    assert len(lines) <= 1 + 4 * 5


def test_the_figures_are_those_of_the_runners(
    small_narrow_bundle: Path,
    small_npz: Path,
    small_data: Dataset,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = recorded_test_part(small_data, open_bundle(small_narrow_bundle).manifest.split)
    images, truth = small_data.images[rows], small_data.labels[rows]
    right = {
        precision: (runtimes.load(small_narrow_bundle, precision=precision)(images).labels == truth)
        for precision in ("fp32", "int8")
    }

    verified(small_narrow_bundle, small_npz, "--target", "onnxruntime", "--precision", "int8")

    text = capsys.readouterr().out
    assert 1 == text.count("Answers of the cascade")
    assert (
        f"right on {right['int8'].mean():.2%} of them, onnxruntime fp32 on "
        f"{right['fp32'].mean():.2%}"
    ) in text


def test_all_samples_are_used_where_asked(
    small_narrow_bundle: Path, small_npz: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = verified(small_narrow_bundle, small_npz, "--all-samples", "--precision", "fp16")

    assert 0 == code
    assert "320 images of tints\n" in capsys.readouterr().out


def test_another_target_at_full_precision_passes(
    with_tflite: Path, small_npz: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == verified(with_tflite, small_npz)
    assert "\ntflite fp32\n  Answers of the cascade: 0 of " in capsys.readouterr().out


def test_one_that_decides_otherwise_is_a_failed_gate(
    with_tflite: Path,
    small_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def looser(bundle: Any, target: str, precision: str, **more: Any) -> Runner:
        runner = load_runner(bundle, target, precision, **more)
        if target != "tflite":
            return runner
        return runner.with_thresholds(np.minimum(runner.thresholds, 0.4))

    monkeypatch.setattr(verify, "load_runner", looser)

    code = verified(with_tflite, small_npz)

    assert 1 == code
    told = capsys.readouterr()
    assert "leaving on one side alone" in told.out
    assert "  Not good: images leave elsewhere whose scores were from the threshold by " in told.out
    assert (
        "calexnet verify: error: a build does not decide as the reference does: got tflite fp32: "
        "images leave elsewhere whose scores were from the threshold by "
    ) in told.err
    assert "; expected differences that rounding explains. Export it again" in told.err


def without(monkeypatch: pytest.MonkeyPatch, runtime: type[Runtime], message: str) -> None:
    """Let `runtime` be missing, as `message` says."""

    def missing(_: Runtime) -> None:
        raise RuntimeUnavailableError(message)

    monkeypatch.setattr(runtime, "require", missing)


def test_builds_whose_runtime_is_missing_are_skipped_with_the_reason(
    small_narrow_bundle: Path,
    small_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without(monkeypatch, Tflite, "no LiteRT here")

    assert 0 == verified(small_narrow_bundle, small_npz)
    text = capsys.readouterr().out
    assert "tflite int8\n  Skipped: no LiteRT here" in text
    assert "onnxruntime int8\n  Answers of the cascade: " in text


@pytest.mark.parametrize("more", [(), ("--target", "tflite")])
def test_where_nothing_could_be_verified_the_runtime_is_missing(
    with_tflite: Path,
    small_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
) -> None:
    without(monkeypatch, Tflite, "no LiteRT here")

    assert 4 == verified(with_tflite, small_npz, *more)
    told = capsys.readouterr()
    assert "tflite fp32\n  Skipped: no LiteRT here" in told.out
    assert (
        "calexnet verify: error: nothing was verified: got tflite fp32, whose runtime is missing. "
        "Install it as told above"
    ) in told.err


def test_the_reference_alone_has_nothing_to_be_compared_with(
    small_bundle: Path, small_npz: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == verified(small_bundle, small_npz)
    assert "onnxruntime fp32: the reference" in capsys.readouterr().out


def test_without_the_reference_there_is_nothing_to_compare_with(
    with_tflite: Path,
    small_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without(monkeypatch, OnnxRuntime, "ONNX Runtime cannot be used here")

    assert 4 == verified(with_tflite, small_npz)
    assert "ONNX Runtime cannot be used here" in capsys.readouterr().err


def test_the_provider_that_holds_the_reference_is_compared_with_nothing(
    small_bundle: Path, small_npz: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == verified(small_bundle, small_npz, "--target", "onnxruntime", "--provider", "cpu")
    assert "onnxruntime fp32 (cpu): the reference" in capsys.readouterr().out


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_the_same_graphs_on_a_gpu_are_no_reference_and_none_is_an_error(
    small_bundle: Path, small_npz: Path, capsys: pytest.CaptureFixture[str], provider: str
) -> None:
    """As far as a machine without one goes: it is asked for, and nothing runs on the processor."""
    if provider in gpu_providers():
        pytest.skip("this ONNX Runtime is a build for GPUs")

    code = verified(small_bundle, small_npz, "--target", "onnxruntime", "--provider", provider)

    assert 4 == code
    told = capsys.readouterr()
    assert f"onnxruntime fp32 ({provider})" == told.out.splitlines()[-1]
    assert f"does not run segment1 on provider {provider}: got a build with " in told.err


def test_what_another_provider_answers_is_compared(
    small_bundle: Path,
    small_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the processor in the GPU's place."""
    asked = []

    def elsewhere(*words: Any, provider: str | None = None, **more: Any) -> Runner:
        asked.append(provider)
        return load_runner(*words, **more)

    monkeypatch.setattr(verify, "load_runner", elsewhere)

    code = verified(small_bundle, small_npz, "--target", "onnxruntime", "--provider", "cuda")

    assert 0 == code
    assert [None, "cuda"] == asked
    assert "onnxruntime fp32 (cuda)\n  Answers of the cascade: 0 of " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--provider", "cuda"], "a provider is one target's: got 'cuda'. Name it by --target."),
        (["--target", "onnxruntime", "--provider", "gpu"], "unknown provider: got 'gpu'; expected"),
        (["--precision", "int4"], "holds no onnxruntime int4: got onnxruntime fp32, onnxruntime"),
        (["--target", "tensorrt"], "holds no tensorrt: got onnxruntime fp32, onnxruntime fp16"),
        (["--target", "onnxruntime", "--precision", "bf16"], "holds no onnxruntime bf16"),
    ],
)
def test_a_build_that_is_not_there_is_refused(
    small_narrow_bundle: Path,
    small_npz: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    message: str,
) -> None:
    assert 2 == verified(small_narrow_bundle, small_npz, *more)
    assert message in capsys.readouterr().err


def test_other_images_are_refused(
    small_narrow_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = cli.main(["verify", str(small_narrow_bundle), "--data", "digits"])

    assert 2 == code
    assert "the images of digits do not fit this cascade" in capsys.readouterr().err


@pytest.mark.parametrize(("moved", "code"), [(2e-4, 0), (4e-5, 1)])
def test_a_bundle_that_recorded_no_rounding_is_held_to_what_another_order_of_sums_does(
    with_tflite: Path,
    small_npz: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    moved: float,
    code: int,
) -> None:
    """Scores of tflite are 3e-4 off. Half of `moved` is rounding, ten times that are allowed."""

    def off(bundle: Any, target: str, precision: str, **more: Any) -> Runner:
        runner = load_runner(bundle, target, precision, **more)
        by = np.float32(moved if "runs" in more else 3e-4 if target == "tflite" else 0)
        answers = runner.answers

        def shifted(images: Any) -> Answers:
            found = answers(images)
            return replace(found, plain_scores=found.plain_scores - by)

        runner.answers = shifted  # type: ignore[method-assign, assignment]
        return runner

    monkeypatch.setattr(verify, "load_runner", off)

    assert code == verified(with_tflite, small_npz)
    told = capsys.readouterr()
    assert f"(it was seen to move scores by {moved / 2:.1e})" in told.out
    assert ("Good: scores within 3.0e-04" in told.out) == (code == 0)
    assert ("tflite fp32: scores differ by up to 3.0e-04, and rounding explains" in told.err) == (
        code == 1
    )
