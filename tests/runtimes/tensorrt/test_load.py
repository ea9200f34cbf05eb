"""Which engines are opened, what is refused before TensorRT sees a byte, and in which words."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.bundle import open_bundle
from calexnet.cli import main
from calexnet.errors import BundleError, EngineError, InputError, RuntimeUnavailableError
from calexnet.export import EngineSettings, export_bundle, tensorrt
from calexnet.manifest import Fingerprint
from calexnet.runtimes.loading import runtime_packages
from calexnet.runtimes.tensorrt import TensorRt, gpu_memory
from calexnet.runtimes.tensorrt.cuda import open_cuda
from calexnet.runtimes.tensorrt.cuda_driver import NoGpuError
from calexnet.runtimes.tensorrt.library import tensorrt_here
from tests.runtimes.tensorrt.conftest import LARGEST, ORIN, put_in_place
from tests.support import tensorrt_stand_in
from tests.support.onnx_bundle import random_images
from tests.support.tensorrt_stand_in import Cuda


def test_the_manifest_says_what_the_engines_are_for(cuda: Cuda, bundle: Path) -> None:
    build = open_bundle(bundle).compiled("tensorrt", None)

    assert Fingerprint("tensorrt 10.3.0", "Orin", "8.7", "12.6") == build.fingerprint
    assert {(1, LARGEST)} == {graph.buckets for graph in (*build.segments, build.plain)}
    assert build.parity is None


@pytest.mark.parametrize(
    ("changes", "got"),
    [
        ({"name": "Thor"}, "on Orin (compute"),
        ({"compute_capability": "11.0"}, "compute capability 8.7,"),
        ({"driver": "13.0"}, "driver for CUDA 12.6)"),
    ],
)
def test_engines_from_elsewhere_are_refused_before_they_are_opened(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], got: str
) -> None:
    here = replace(ORIN, **changes)
    monkeypatch.setattr("calexnet.runtimes.tensorrt.library.first_gpu", lambda: here)
    monkeypatch.delattr(sys.modules["tensorrt"], "Runtime")

    with pytest.raises(RuntimeUnavailableError) as caught:
        calexnet.load(bundle, target="tensorrt")

    message = str(caught.value)
    assert message.startswith("the engines were built elsewhere, and TensorRT may not open them")
    assert got in message.split("; expected")[0]
    assert {"Thor", "11.0", "13.0"} & set(message.replace(",", " ").replace(")", " ").split())
    assert message.endswith(
        f"Build them for this machine: calexnet-export {bundle} --target tensorrt --precision fp32."
    )
    # What runs anywhere is there as well.
    assert "onnxruntime" == calexnet.load(bundle).compiled.target


def test_an_engine_of_another_tensorrt_is_refused(
    cuda: Cuda, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", tensorrt_stand_in.module(cuda, "11.4.0"))

    with pytest.raises(
        RuntimeUnavailableError, match=r"got tensorrt 10\.3\.0 on Orin .*expected tensorrt 11\.4\.0"
    ):
        calexnet.load(bundle, target="tensorrt")


def test_no_bindings_are_told_with_what_to_install(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    gpu_memory.cache_clear()

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^the GPU's memory cannot be reached: got .*cuda\.bindings.*pip install 'calexnet\["
        r"tensorrt\]'; for a driver of CUDA 12, as on JetPack 6: pip install 'cuda-bindings==12",
    ):
        calexnet.load(bundle, target="tensorrt")


def test_a_driver_too_old_for_the_bindings_is_told(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place(monkeypatch, Cuda(driver=False))

    with pytest.raises(RuntimeUnavailableError) as caught:
        calexnet.load(bundle, target="tensorrt")

    assert (
        "the GPU's memory cannot be reached: got cudaGetDeviceCount fails with CUDA error 35, "
        "insufficient driver; expected a driver as new as the CUDA version of the package "
        "cuda-bindings. Update the driver (on a Jetson it comes with JetPack), or install bindings "
        "as old as it is; for a driver of CUDA 12, as on JetPack 6: pip install "
        "'cuda-bindings==12.*'."
    ) == str(caught.value)


def test_the_real_bindings_say_that_there_is_no_driver() -> None:
    """Where there is one, they count its GPUs."""
    pytest.importorskip("cuda.bindings.runtime", reason="needs cuda-bindings")
    try:
        tensorrt_here()
    except RuntimeUnavailableError:
        with pytest.raises(NoGpuError, match=r"^cudaGetDeviceCount fails with CUDA error \d+, \w"):
            open_cuda()


@pytest.mark.parametrize(
    "said",
    [
        "Magic tag does not match",
        "Error Code 2: OutOfMemory (Requested size was 9437184 bytes.)",
    ],
)
def test_what_tensorrt_does_not_open_is_told_with_its_log_and_what_helps(
    cuda: Cuda, bundle: Path, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    """Damage or no memory: only the log can tell."""
    record = open_bundle(bundle).compiled("tensorrt", None).plain
    monkeypatch.setattr("tests.support.tensorrt_stand_in.REFUSAL", said)

    with pytest.raises(BundleError) as caught:
        TensorRt().load(record, b"junk", provider=None, threads=None)

    assert (
        f"TensorRT 10.3.0 refuses tensorrt/plain.engine: got {said}. If memory is short: end other "
        "programs on the GPU, or build for smaller batches, calexnet-export BUNDLE --target "
        "tensorrt --batch 1,8; else build the engines again."
    ) == str(caught.value)


def test_an_engine_with_other_tensors_is_refused(cuda: Cuda, bundle: Path) -> None:
    opened = open_bundle(bundle)
    first, second, _ = opened.compiled("tensorrt", None).segments

    with pytest.raises(BundleError, match=r"segment1\.engine is another engine than the manifest"):
        TensorRt().load(first, opened.read(second.file), provider=None, threads=None)


def test_a_provider_of_another_kind_is_refused(bundle: Path) -> None:
    with pytest.raises(InputError, match=r"^unknown provider: got 'cpu'; expected one of cuda$"):
        calexnet.load(bundle, target="tensorrt", provider="cpu")


def test_an_engine_by_itself_takes_any_batch_in_parts(cuda: Cuda, bundle: Path) -> None:
    ours, theirs = (calexnet.load(bundle, target=t) for t in ("tensorrt", "onnxruntime"))
    images = random_images(2 * LARGEST + 3)
    cuda.said.clear()

    found = [answer for _, answer in ours.trace(images)]

    rows = [words[2] for words in cuda.said if words[0] == "run"]
    assert [LARGEST, LARGEST, 3] * 3 == rows
    expected = theirs.ask_every_exit(images)
    assert expected.labels.tolist() == [answer["label"].tolist() for answer in found]
    scores = [answer["score"] for answer in found]
    np.testing.assert_allclose(scores, expected.scores, atol=1e-6)


def test_an_engine_that_fails_stays_usable(
    cuda: Cuda, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = calexnet.load(bundle, target="tensorrt")
    images = random_images(2)
    with monkeypatch.context() as patch:
        patch.setattr(
            "tests.support.tensorrt_stand_in.IExecutionContext.set_input_shape", lambda *_: False
        )
        with pytest.raises(EngineError, match=r"^tensorrt failed in segment1: got nothing in its"):
            runner.ask_every_exit(images)

    assert (3, 2) == runner.ask_every_exit(images).labels.shape


def test_a_run_is_built_and_verified_at_once(
    cuda: Cuda, translated: None, small_run: Path, tmp_path: Path
) -> None:
    """On a host that has a GPU."""
    from calexnet.export import export_run

    content = export_run(
        small_run, tmp_path / "bundle", target="tensorrt", engines=EngineSettings((LARGEST,))
    )

    parity = content.compiled[1].parity
    assert parity is not None
    assert (0, 0) == (parity.label_flips, parity.exit_flips)


def test_a_bundle_is_verified_on_the_board(
    cuda: Cuda,
    small_bundle: Path,
    small_npz: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "bundle"
    export_bundle(small_bundle, folder, target="tensorrt")

    assert 0 == main(["verify", str(folder), "--data", str(small_npz)])

    assert "tensorrt fp32" in capsys.readouterr().out


def test_what_runs_engines_is_named(cuda: Cuda) -> None:
    assert ("cuda-bindings",) == runtime_packages("tensorrt")
    assert ("fp16", "int8-symmetric") == tensorrt.TensorRt.precisions
