"""Engines on LiteRT itself; and on the old runtime, as far as it can be told without it."""

from __future__ import annotations

import gc
import os
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.manifest import with_build
from calexnet.runtimes import load
from calexnet.runtimes import tflite as target
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.tflite import Tflite, library
from calexnet.runtimes.tflite import engine as engines
from calexnet.runtimes.tflite.engine import TfliteEngine
from calexnet.runtimes.tflite.interpreter import Planned
from tests.support.onnx_bundle import CLASSES, random_images

BARS = np.full(len(CLASSES), 0.5, np.float32)


@pytest.fixture(scope="module")
def bundle(hand_made_tflite: Path) -> Bundle:
    return open_bundle(hand_made_tflite)


def engine_of(bundle: Bundle, segment: int = 0, threads: int | None = 1) -> TfliteEngine:
    record = bundle.compiled("tflite", None).segments[segment]
    return Tflite().load(record, bundle.read(record.file), provider=None, threads=threads)


def test_maps_cross_the_cuts_channels_last_as_the_manifest_says(bundle: Bundle) -> None:
    ours = {t.name: t.shape for t in bundle.compiled("tflite", None).segments[1].outputs}
    theirs = {t.name: t.shape for t in bundle.compiled("onnxruntime", None).segments[1].outputs}

    assert ("n", 6, 2, 2) == theirs["layer2"]
    assert ("n", 2, 2, 6) == ours["layer2"]
    assert theirs["probabilities"] == ours["probabilities"]


@pytest.mark.parametrize("kept", [8, 1])
def test_bound_calls_read_and_write_where_they_were_told(bundle: Bundle, kept: int) -> None:
    """Two sizes in turns, with interpreters of their own or, for large weights, a shared one."""
    engine = engine_of(bundle)
    engine.most_kept = kept
    bound = {}
    for count in (1, 5):
        images = np.zeros_like(random_images(count))
        score, leaves = np.empty(count, np.float32), np.empty(count, np.bool_)
        call = engine.bind({"image": images, "threshold": BARS}, {"score": score, "exit": leaves})
        bound[count] = images, score, leaves, call

    for seed in range(4):
        for count, (images, score, leaves, call) in bound.items():
            images[...] = random_images(count, seed)
            call()

            expected = engine.run({"image": images, "threshold": BARS}, ("score", "exit"))
            assert np.array_equal(expected[0], score)
            assert np.array_equal(expected[1], leaves)


@pytest.mark.parametrize("counts", [[1, 5, 2, 5, 1, 9, 3, 4, 6, 7, 8, 10, 11, 1]])
def test_each_call_reads_its_own_images_and_thresholds(bundle: Bundle, counts: list[int]) -> None:
    engine = engine_of(bundle)
    kept = []
    for seed, count in enumerate(counts):
        images = random_images(count, seed)
        for bar in (0.3, 0.6, 0.9):
            bars = np.full(len(CLASSES), bar, np.float32)

            score, leaves = engine.run({"image": images, "threshold": bars}, ("score", "exit"))

            assert np.array_equal(score >= np.float32(bar), leaves)
        kept.append((score, score.copy()))
    assert all(np.array_equal(score, copy) for score, copy in kept), "a view into the engine"


def test_a_batch_size_that_comes_back_finds_its_interpreter_again(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_of(bundle)
    planned: list[int] = []
    genuine = Planned._plan

    def plan(self: Any, batch: int) -> None:
        planned.append(batch)
        genuine(self, batch)

    monkeypatch.setattr(Planned, "_plan", plan)
    for count in (1, 4, 1, 4, 2, 1):
        engine.run({"image": random_images(count), "threshold": BARS}, ("label",))

    assert [1, 4, 2] == planned


def test_a_file_of_a_fixed_batch_gets_images_one_by_one(bundle: Bundle) -> None:
    record = bundle.compiled("tflite", None).segments[0]
    fixed = replace(record, buckets=(1,))
    engine = Tflite().load(fixed, bundle.read(record.file), provider=None, threads=1)
    feeds: dict[str, Any] = {"image": random_images(5), "threshold": BARS}
    score = np.empty(5, np.float32)

    engine.bind(feeds, {"score": score})()

    found = engine.run(feeds, ("score", "probabilities"))
    expected = engine_of(bundle).run(feeds, ("score", "probabilities"))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert np.array_equal(found[0], score)
    assert {1, None} >= {planned.batch for planned in engine._idle}


def test_a_runner_of_such_files_takes_any_batch(bundle: Bundle) -> None:
    build = bundle.compiled("tflite", None)
    parts = [replace(record, buckets=(1,)) for record in (*build.segments, build.plain)]
    fixed = replace(build, segments=tuple(parts[:-1]), plain=parts[-1])
    held = replace(bundle, manifest=with_build(bundle.manifest, fixed))
    images = random_images(9)

    runner = load_runner(held, "tflite", threads=1)

    wanted = load_runner(bundle, "tflite", threads=1)
    for ask in ("__call__", "plain"):
        found, expected = getattr(runner, ask)(images), getattr(wanted, ask)(images)
        assert found.exits.tolist() == expected.exits.tolist()
        assert found.labels.tolist() == expected.labels.tolist()
    assert runner.ask_every_exit(images).labels.tolist() == (
        wanted.ask_every_exit(images).labels.tolist()
    )


def test_views_are_made_anew_where_planning_moves_the_memory(bundle: Bundle) -> None:
    planned = engine_of(bundle).lend()
    indices = {**planned._input_index, **planned._output_index}
    earlier: dict[str, Any] = {}
    for batch in (1, 4096, 3):
        planned.plan(batch)
        for _ in range(2):
            views = {**planned.inputs, **planned.outputs}
            assert set(indices) == set(views)
            for name, index in indices.items():
                tensor = planned._interpreter.tensor(index)()
                assert (tensor.shape, tensor.ctypes.data) == (
                    views[name].shape,
                    views[name].ctypes.data,
                )
                assert views[name] is not earlier.get(name)
                del tensor  # or the next run is refused
            planned.invoke()  # which moves nothing
        earlier = views


def test_a_large_engine_keeps_one_interpreter_and_plans_it_anew(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_KEPT_BYTES", 1)
    engine = engine_of(bundle)
    for count in (1, 4, 1, 4):
        engine.run({"image": random_images(count), "threshold": BARS}, ("label",))

    assert 1 == len(engine._idle)


def test_no_more_interpreters_are_kept_than_there_is_room_for(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_MOST_KEPT", 3)
    engine = engine_of(bundle)
    for count in range(1, 9):
        engine.run({"image": random_images(count), "threshold": BARS}, ("label",))

    assert [6, 7, 8] == [planned.batch for planned in engine._idle]


@pytest.mark.parametrize("kept", [1, 2**25])
def test_threads_never_share_an_interpreter(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(engines, "_KEPT_BYTES", kept)
    engine = engine_of(bundle)
    batches = [random_images(1 + seed % 3, seed) for seed in range(60)]
    wanted = [engine.run({"image": b, "threshold": BARS}, ("score",))[0] for b in batches]

    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda b: engine.run({"image": b, "threshold": BARS}, ("score",))[0], batches)
        )

    assert all(np.array_equal(one, other) for one, other in zip(wanted, found, strict=True))
    assert 0 == engine._busy


def test_other_threads_run_while_an_engine_does(bundle: Bundle) -> None:
    """The lock of Python is free during a run: a counter goes on counting."""
    engine, images = engine_of(bundle), random_images(4096)
    engine.run({"image": images, "threshold": BARS}, ("label",))
    counted, over = 0, threading.Event()

    def run() -> None:
        engine.run({"image": images, "threshold": BARS}, ("label",))
        over.set()

    worker = threading.Thread(target=run)
    worker.start()
    while not over.is_set():
        counted += 1
    worker.join()

    assert counted > 1000


@pytest.mark.parametrize("damage", ["no flatbuffer", "half of it", "an unknown operator"])
def test_bytes_that_are_no_model_are_refused(bundle: Bundle, damage: str) -> None:
    record = bundle.compiled("tflite", None).plain
    data = bundle.read(record.file)
    spoilt = {
        "no flatbuffer": b"no flatbuffer",
        "half of it": data[: len(data) // 2],
        "an unknown operator": with_operator(data, 3000),
    }

    (package,) = Tflite().packages()
    if (package, damage) == ("tflite-runtime", "half of it"):
        pytest.skip("it crashes; a bundle's files are known to be whole before it sees them")
    with pytest.raises(
        BundleError,
        match=rf"(?s)^{package} [\d.]+ refuses tflite/plain\.tflite: got .+\. Update {package}, or",
    ):
        Tflite().load(record, spoilt[damage], provider=None, threads=None)


def with_int8_weights(data: bytes) -> bytes:
    """Return a model whose linear layers have int8 weights, while all else stays float."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    codes = [code.builtinCode for code in model.operatorCodes]
    (graph,) = model.subgraphs
    for operator in graph.operators:
        if codes[operator.opcodeIndex] == schema.BuiltinOperator.FULLY_CONNECTED:
            weight = graph.tensors[operator.inputs[1]]
            floats = np.frombuffer(bytes(model.buffers[weight.buffer].data), np.float32)
            scale = float(np.abs(floats).max()) / 127
            model.buffers[weight.buffer].data = np.round(floats / scale).astype(np.int8).view("u1")
            weight.type = schema.TensorType.INT8
            weight.quantization = schema.QuantizationParametersT()
            weight.quantization.scale = np.array([scale], np.float32)
            weight.quantization.zeroPoint = np.array([0], np.int64)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_int8_weights_on_floats_are_refused_for_the_old_runtime_alone(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = bundle.compiled("tflite", None).plain
    data = with_int8_weights(bundle.read(record.file))
    _, module = library.interpreter_module()
    monkeypatch.setattr(target, "interpreter_module", lambda: ("ai-edge-litert", module))
    Tflite().load(record, data, provider=None, threads=1)
    monkeypatch.setattr(target, "interpreter_module", lambda: ("tflite-runtime", module))

    Tflite().load(record, bundle.read(record.file), provider=None, threads=1)
    with pytest.raises(
        BundleError,
        match=r"^tflite-runtime computes tflite/plain\.tflite wrongly: got a linear layer with "
        r"int8 weights on float activations; expected both int8, or both float\. Run: pip install",
    ):
        Tflite().load(record, data, provider=None, threads=1)


def with_operator(data: bytes, code: int) -> bytes:
    """Return a model whose first operator is another one."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(data, 0)
    model.operatorCodes[0].builtinCode = code
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def test_an_unknown_provider_is_refused(bundle: Bundle) -> None:
    record = bundle.compiled("tflite", None).plain

    with pytest.raises(InputError, match=r"^unknown provider: got 'gpu'; expected one of cpu$"):
        Tflite().load(record, bundle.read(record.file), provider="gpu", threads=None)


@pytest.mark.parametrize(
    ("threads", "expected"), [(1, 1), (2, 2), (None, len(os.sched_getaffinity(0)))]
)
def test_threads_are_passed_on(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, threads: int | None, expected: int
) -> None:
    asked = []
    package, module = library.interpreter_module()
    stub = ModuleType("stub")

    def interpreter(**options: Any) -> Any:
        asked.append(options["num_threads"])
        return module.Interpreter(**options)

    stub.Interpreter = interpreter  # type: ignore[attr-defined]
    monkeypatch.setattr(target, "interpreter_module", lambda: (package, stub))

    engine_of(bundle, threads=threads)

    assert [expected] == asked


def test_interpreters_die_with_their_engine(bundle: Bundle) -> None:
    engine = engine_of(bundle)
    engine.run({"image": random_images(2), "threshold": BARS}, ("label",))
    interpreter = weakref.ref(engine._idle[0]._interpreter)

    del engine
    gc.collect()

    assert interpreter() is None


def test_without_any_runtime_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Tflite().require()
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)

    with pytest.raises(
        RuntimeUnavailableError,
        match=r"^LiteRT cannot be used here: got .*ai_edge_litert.*; .*tflite_runtime.*\. Run: pip "
        r"install 'calexnet\[tflite\]'\.$",
    ):
        Tflite().require()


def pretend(monkeypatch: pytest.MonkeyPatch, **installed: str) -> None:
    """Let the old runtime be the only one, and packages have the given versions."""
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime", ModuleType("tflite_runtime"))
    old = ModuleType("tflite_runtime.interpreter")
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", old)
    versions = {name.replace("_", "-"): version for name, version in installed.items()}
    monkeypatch.setattr(metadata, "version", lambda name: versions[name])


def test_the_old_runtime_is_taken_where_there_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, tflite_runtime="2.14.0", numpy="1.26.4")

    Tflite().require()

    assert ("tflite-runtime",) == Tflite().packages()


@pytest.mark.parametrize(
    ("runtime", "numpy", "message"),
    [
        (
            "2.14.0",
            "2.4.6",
            "tflite-runtime 2.14.0 with numpy 2.4.6, which needs numpy below 2.* Run: pip install "
            r"'calexnet\[tflite\]'; or pip install 'numpy<2' for tflite-runtime\.$",
        ),
        ("2.11.0", "1.26.4", "tflite-runtime 2.11.0, older than 2.14"),
    ],
)
def test_an_old_runtime_that_cannot_work_is_told_before_its_first_model(
    monkeypatch: pytest.MonkeyPatch, runtime: str, numpy: str, message: str
) -> None:
    pretend(monkeypatch, tflite_runtime=runtime, numpy=numpy)

    with pytest.raises(RuntimeUnavailableError, match=message):
        Tflite().require()


def test_a_litert_that_is_too_old_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    here = ModuleType("ai_edge_litert.interpreter")
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", here)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    monkeypatch.setattr(metadata, "version", lambda name: "2.0.3")

    with pytest.raises(RuntimeUnavailableError, match=r"ai-edge-litert 2\.0\.3, older than 2\.1"):
        Tflite().require()


def test_both_targets_of_a_bundle_answer_alike(hand_made_tflite: Path) -> None:
    images = random_images(64)
    one = load(hand_made_tflite, target="onnxruntime")(images, probabilities=True)
    other = load(hand_made_tflite, target="tflite")(images, probabilities=True)

    assert np.array_equal(one.labels, other.labels)
    assert np.array_equal(one.exits, other.exits)
    assert one.probabilities is not None
    assert other.probabilities is not None
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_a_bundle_falls_back_on_tflite_where_onnx_runtime_is_missing(
    hand_made_tflite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "onnxruntime" == load(hand_made_tflite).compiled.target
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    assert "tflite" == load(hand_made_tflite).compiled.target
