"""Targets `tensorrt` and `tensorrt-rtx` as a user meets them: a bundle in, a bundle out."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.cli import export as cli
from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.export import EngineSettings, export_bundle, export_run
from calexnet.manifest import Fingerprint
from calexnet.runtimes.tensorrt.rtx import REASON
from tests.support.small_cascade import files_of

NAMES = ("segment1", "segment2", "segment3", "plain")


@pytest.fixture
def rtx() -> Any:
    """The real TensorRT-RTX."""
    return pytest.importorskip(
        "tensorrt_rtx", reason="needs TensorRT-RTX: pip install 'calexnet[tensorrt-rtx]'"
    )


def test_without_tensorrt_and_gpu_one_message_says_what_is_missing_and_what_to_do(
    bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setattr(
        "calexnet.runtimes.tensorrt.cuda_driver._LIBRARY", "libcuda-of-nowhere.so.1"
    )
    before = files_of(bundle.parent)

    assert 4 == cli.main([str(bundle), "--target", "tensorrt"])

    (message,) = [line for line in capsys.readouterr().err.splitlines() if "error:" in line]
    assert "TensorRT cannot be used here: got import of tensorrt halted" in message
    assert "; no NVIDIA driver (libcuda-of-nowhere.so.1: cannot open shared object" in message
    for word in ("TensorRT 10.3 or newer", "python3-libnvinfer", "tensorrt-cu13"):
        assert word in message
    assert before == files_of(bundle.parent)


def test_a_tensorrt_that_is_too_old_is_told(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = type(sys)("tensorrt")
    old.__version__ = "8.6.2"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tensorrt", old)

    with pytest.raises(RuntimeUnavailableError, match=r"got TensorRT 8\.6\.2, older than 10\.3"):
        export_bundle(bundle, target="tensorrt")


_EXPORT = """
import sys
absent = ["torch", "onnx", "onnx_ir", "onnxruntime", "sklearn", "safetensors", "PIL"]
sys.modules.update(dict.fromkeys(absent))
from calexnet.cli.export import main
sys.exit(main([sys.argv[1], "--target", "tensorrt-rtx", "--batch", "1,4"]))
"""


def test_numpy_and_the_vendors_module_are_enough(rtx: Any, bundle: Path) -> None:
    before = files_of(bundle)

    done = subprocess.run(
        [sys.executable, "-Ic", _EXPORT, str(bundle)], capture_output=True, text=True
    )

    assert 0 == done.returncode, done.stderr
    version = rtx.__version__
    assert f"\nBuilt by tensorrt-rtx {version} without a GPU, for batches up to 4.\n" in done.stdout
    assert f"\nNot verified: {REASON}.\n" in done.stdout
    after = files_of(bundle)
    assert {f"tensorrt-rtx/{name}.engine" for name in NAMES} == after.keys() - before.keys()
    build = open_bundle(bundle).manifest.compiled[1]
    assert ("tensorrt-rtx", "fp32", None, REASON) == (
        build.target,
        build.precision,
        build.parity,
        build.parity_reason,
    )
    assert Fingerprint(f"tensorrt-rtx {version}", None, None, None) == build.fingerprint
    assert {(1, 4)} == {graph.buckets for graph in (*build.segments, build.plain)}


def test_engines_of_tensorrt_rtx_are_not_run(rtx: Any, bundle: Path) -> None:
    export_bundle(bundle, target="tensorrt-rtx")

    with pytest.raises(
        RuntimeUnavailableError,
        match=rf"^engines of target tensorrt-rtx are not run: got {REASON}\. On the GPU's own "
        r"machine: calexnet-export BUNDLE --target tensorrt\.$",
    ):
        calexnet.load(bundle, target="tensorrt-rtx")
    assert "onnxruntime" == calexnet.load(bundle).compiled.target


def test_engines_take_precision_and_thresholds_from_the_graphs(
    rtx: Any, small_narrow_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bundle"

    content = export_bundle(small_narrow_bundle, out, target="tensorrt-rtx", precision="fp16")

    bundle = open_bundle(out)
    graphs, engines = (bundle.compiled(t, "fp16") for t in ("onnxruntime", "tensorrt-rtx"))
    assert graphs.operating_points == engines.operating_points
    assert graphs.calibration == engines.calibration
    assert [g.inputs for g in graphs.segments] == [g.inputs for g in engines.segments]
    assert "tensorrt-rtx/fp16/plain.engine" == engines.plain.file.path
    assert "tensorrt-rtx" == content.compiled[-1].target


def test_a_run_gives_engines_too(
    rtx: Any, translated: None, small_run: Path, tmp_path: Path
) -> None:
    content = export_run(
        small_run, tmp_path / "bundle", target="tensorrt-rtx", engines=EngineSettings((2,))
    )

    assert ["onnxruntime", "tensorrt-rtx"] == [build.target for build in content.compiled]
    assert [True, False] == [build.parity is not None for build in content.compiled]
    assert (2,) == content.compiled[1].plain.buckets


def test_a_precision_that_the_bundle_lacks_is_told_with_the_hosts_command(bundle: Path) -> None:
    with pytest.raises(
        BundleError,
        match=r"bundle holds no graphs at fp16: got onnxruntime fp32; expected onnxruntime fp16, "
        r".* built from\. On the host: calexnet-export BUNDLE --precision fp16 --calib-data DATA;",
    ):
        export_bundle(bundle, target="tensorrt-rtx", precision="fp16")


def test_a_run_is_narrowed_before_its_engines_are(small_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(
        InputError,
        match=rf"^target tensorrt comes at fp16 from a bundle only: .*First: calexnet-export "
        rf"{small_run} --precision fp16 --out {out}; then: calexnet-export {out} --target tensorrt "
        r"--precision fp16\.$",
    ):
        export_run(small_run, out, target="tensorrt", precision="fp16")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "tflite", "--batch", "1"], "target tflite has no --batch, --workspace-mib"),
        (
            ["--target", "tensorrt", "--precision", "int8"],
            "target tensorrt does not come at this precision: got 'int8'; expected one of fp32, "
            "fp16, int8-symmetric",
        ),
        (
            ["--target", "tensorrt", "--precision", "fp16", "--calib-data", "digits"],
            "target tensorrt takes no --calib-data: expected ranges and thresholds as the bundle's",
        ),
    ],
)
def test_what_does_not_fit_is_refused_first(
    bundle: Path, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files_of(bundle.parent)

    assert 2 == cli.main([str(bundle), *words])

    assert message in capsys.readouterr().err
    assert before == files_of(bundle.parent)


def test_a_timing_cache_is_not_for_tensorrt_rtx(rtx: Any, bundle: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^TensorRT-RTX has no timing cache\. Leave out --timing"):
        export_bundle(
            bundle, target="tensorrt-rtx", engines=EngineSettings(timing_cache=tmp_path / "file")
        )


def test_what_is_not_installed_is_told(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^TensorRT-RTX cannot be used here: got .*tensorrt_rtx.*\. Run: pip install "
        r"'calexnet\[tensorrt-rtx\]' \(x86_64\)\.$",
    ):
        export_bundle(bundle, target="tensorrt-rtx")


def test_a_build_cut_short_leaves_the_bundle_as_it_was(
    rtx: Any, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(*_: object) -> None:
        raise KeyboardInterrupt

    before = files_of(bundle.parent)
    monkeypatch.setattr("calexnet.export.tensorrt.builder._add_profile", cut_short)

    with pytest.raises(KeyboardInterrupt):
        export_bundle(bundle, target="tensorrt-rtx")

    assert before == files_of(bundle.parent)


@pytest.mark.parametrize("settings", [{"batches": ()}, {"batches": (0, 8)}, {"workspace_mib": 0}])
def test_settings_below_one_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"cannot be built for these batch|workspace is too small"):
        EngineSettings(**settings)
