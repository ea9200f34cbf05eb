"""Engines on ONNX Runtime itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.parity import score_difference
from calexnet.runtimes import onnxruntime as target
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.onnxruntime import AsWritten, OnnxRuntimeEngine
from tests.support.onnx_bundle import CLASSES, random_images

BARS = np.full(len(CLASSES), 0.5, np.float32)


@pytest.fixture(scope="module")
def bundle(hand_made: Path) -> Bundle:
    return open_bundle(hand_made)


def engine_of(bundle: Bundle, segment: int = 0, threads: int | None = 1) -> OnnxRuntimeEngine:
    record = bundle.manifest.compiled[0].segments[segment]
    return target.OnnxRuntime().load(
        record, bundle.read(record.file), provider=None, threads=threads
    )


def test_bytes_that_are_no_graph_are_refused(bundle: Bundle) -> None:
    record = bundle.manifest.compiled[0].plain

    with pytest.raises(
        BundleError,
        match=r"(?s)^ONNX Runtime [\d.]+ refuses onnxruntime/plain\.onnx: got .+\. Update ",
    ):
        target.OnnxRuntime().load(record, b"no graph", provider=None, threads=None)


def test_an_unknown_provider_is_refused(bundle: Bundle) -> None:
    record = bundle.manifest.compiled[0].plain

    with pytest.raises(
        InputError, match=r"^unknown provider: got 'gpu'; expected one of cpu, cuda, tensorrt$"
    ):
        target.OnnxRuntime().load(record, bundle.read(record.file), provider="gpu", threads=None)


@pytest.mark.filterwarnings("ignore:Specified provider")
@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
@pytest.mark.parametrize("claimed", [False, True])
def test_a_gpu_that_is_not_there_is_told_and_nothing_falls_back(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, provider: str, claimed: bool
) -> None:
    """GPU builds claim their providers on any machine, and would run on the processor."""
    record = bundle.manifest.compiled[0].plain
    wanted = target.PROVIDERS[provider][0]
    there = onnxruntime.get_available_providers()
    if wanted in there:
        pytest.skip("this ONNX Runtime is a build for GPUs")
    if claimed:
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [wanted, *there])

    with pytest.raises(RuntimeUnavailableError) as caught:
        target.OnnxRuntime().load(record, bundle.read(record.file), provider=provider, threads=None)

    message = str(caught.value)
    assert f"does not run plain on provider {provider}: got " in message
    reason = "fallback to CPU EP has been explicitly disabled" if claimed else "a build with "
    assert reason in message
    assert f"expected {wanted}, and nothing left to the processor. Check the GPU" in message


@pytest.mark.parametrize("provider", ["cuda", "tensorrt"])
def test_a_gpu_is_told_to_keep_full_precision(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    record, told = bundle.manifest.compiled[0].plain, []
    wanted = list(target.PROVIDERS[provider])

    def refuse(*_: object, providers: list[tuple[str, dict[str, str]]], **__: object) -> None:
        told.extend(providers)
        raise RuntimeError("no GPU")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: wanted)
    monkeypatch.setattr(onnxruntime, "InferenceSession", refuse)

    with pytest.raises(RuntimeUnavailableError, match="got no GPU; expected"):
        target.OnnxRuntime().load(record, bundle.read(record.file), provider=provider, threads=None)

    assert wanted == [name for name, _ in told]
    assert {"use_tf32": "0"} == dict(told)["CUDAExecutionProvider"]


def test_an_engine_and_a_runner_say_where_they_are(bundle: Bundle) -> None:
    assert "cpu" == engine_of(bundle).provider
    assert "cpu" == load_runner(bundle, "onnxruntime").provider


@pytest.mark.parametrize(("threads", "expected"), [(1, 1), (2, 2), (None, 0)])
def test_threads_are_passed_on_and_one_segment_never_spins_against_the_next(
    bundle: Bundle, threads: int | None, expected: int
) -> None:
    session = engine_of(bundle, threads=threads)._session
    options = session.get_session_options()

    assert expected == options.intra_op_num_threads
    assert "1" == options.get_session_config_entry("session.force_spinning_stop")
    assert ["CPUExecutionProvider"] == session.get_providers()


class CopyingBinding:
    """A binding that takes a copy of an input when it is bound, as that of a GPU does."""

    def __init__(self, binding: Any) -> None:
        self.genuine = binding
        self.bind_ortvalue_output = binding.bind_ortvalue_output

    def bind_cpu_input(self, name: str, array: Any) -> None:
        self.genuine.bind_cpu_input(name, array.copy())


class CopyingSession:
    """A session on the processor whose bindings are as those of a GPU."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def io_binding(self) -> CopyingBinding:
        return CopyingBinding(self._session.io_binding())

    def run_with_iobinding(self, binding: CopyingBinding) -> None:
        self._session.run_with_iobinding(binding.genuine)


@pytest.mark.parametrize("provider", target.PROVIDERS)
def test_a_bound_call_reads_what_its_inputs_hold_when_it_is_made(
    bundle: Bundle, provider: str
) -> None:
    """Also where binding an input copies it to the GPU: else all get the first batch's answer."""
    genuine = engine_of(bundle)
    session = genuine._session if provider == "cpu" else CopyingSession(genuine._session)
    engine = OnnxRuntimeEngine(genuine.record, session, provider)
    feeds: dict[str, Any] = {"image": random_images(5), "threshold": BARS.copy()}
    asked = ("layer1", "label", "score", "exit", "probabilities")
    answers = {n: np.empty_like(a) for n, a in zip(asked, genuine.run(feeds, asked), strict=True)}

    call = engine.bind(feeds, answers)
    for seed in (1, 2):
        feeds["image"][...] = random_images(5, seed)
        feeds["threshold"][...] = seed / 4
        call()

        for array, wanted in zip(answers.values(), genuine.run(feeds, asked), strict=True):
            assert np.array_equal(wanted, array)


def test_without_the_package_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target.OnnxRuntime().require()
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^ONNX Runtime cannot be used here: got .*onnxruntime.*\. "
        r"Run: pip install 'calexnet\[onnxruntime\]'\.$",
    ):
        target.OnnxRuntime().require()


def test_as_written_a_graph_computes_the_same_in_another_order(bundle: Bundle) -> None:
    images = random_images(9)
    usual, other = (load_runner(bundle, threads=1, runs=runs) for runs in (None, AsWritten()))

    assert score_difference(usual.answers(images), other.answers(images)) < 1e-5
