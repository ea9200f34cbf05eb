"""Batches through memory of a GPU that ONNX Runtime stands in for: answers, order and sizes."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import calexnet
from calexnet.errors import EngineError
from calexnet.export import EngineSettings, export_bundle
from calexnet.runtimes.lanes.host import HostLane
from calexnet.runtimes.steps import steps_of
from calexnet.runtimes.tensorrt.lane import TensorRtLane, unbroken
from tests.runtimes.tensorrt.conftest import LARGEST, put_in_place
from tests.support.onnx_bundle import LOOSE, STRICT, Wiring, random_images, write_bundle
from tests.support.tensorrt_stand_in import Cuda, ICudaEngine

FOUR, FLOAT = 4, 4
IMAGE = 8 * 8 * 3
LAYER1, LAYER2 = 4 * 4 * 4 * FLOAT, 6 * 2 * 2 * FLOAT


@given(st.sets(st.integers(0, 40), min_size=1))
def test_runs_of_rows_put_together_are_the_rows_in_order(numbers: set[int]) -> None:
    rows = np.array(sorted(numbers))

    runs = list(unbroken(rows))

    placed = [(first + i, row + i) for first, row, count in runs for i in range(count)]
    assert [*enumerate(rows.tolist())] == placed
    for (_, row, count), (_, later, _) in pairwise(runs):
        assert row + count < later, "two runs that are one"


@pytest.mark.parametrize("wiring", ["chain", "skip", "late image"])
@pytest.mark.parametrize("batch", [1, 2, 5, LARGEST, LARGEST + 1, 31])
def test_the_answers_are_those_of_onnx_runtime(
    cuda: Cuda, tmp_path: Path, wiring: Wiring, batch: int
) -> None:
    folder = tmp_path / "bundle"
    write_bundle(folder, wiring=wiring)
    export_bundle(folder, target="tensorrt", engines=EngineSettings((LARGEST,)))
    ours, theirs = (calexnet.load(folder, target=t) for t in ("tensorrt", "onnxruntime"))
    for seed in range(3):
        images = random_images(batch, seed)
        # As the lane does: what a batch size rounds is no matter of the test.
        chunks = np.array_split(images, -(-batch // LARGEST))

        found = ours(images, probabilities=True)
        expected = [theirs(chunk, probabilities=True) for chunk in chunks]

        assert np.concatenate([r.exits for r in expected]).tolist() == found.exits.tolist()
        assert np.concatenate([r.labels for r in expected]).tolist() == found.labels.tolist()
        np.testing.assert_allclose(
            found.scores, np.concatenate([r.scores for r in expected]), atol=1e-6
        )
        assert ours.plain(images).labels.tolist() == theirs.plain(images).labels.tolist()


def test_narrow_tensors_are_carried_as_they_are(
    cuda: Cuda, small_narrow_bundle: Path, tmp_path: Path
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (LARGEST, 8, 8, 3), dtype=np.uint8)
    for precision in ("fp16", "int8-symmetric"):
        folder = tmp_path / precision
        export_bundle(small_narrow_bundle, folder, target="tensorrt", precision=precision)
        targets = ("tensorrt", "onnxruntime")
        ours, theirs = (calexnet.load(folder, t, precision) for t in targets)

        assert theirs(images).exits.tolist() == ours(images).exits.tolist()


@pytest.mark.parametrize("wiring", ["chain", "skip", "late image"])
def test_gathered_or_run_on_it_answers_as_the_hosts_lane_does(
    cuda: Cuda, tmp_path: Path, wiring: Wiring
) -> None:
    """Whatever is kept after which segment, batch after batch in the same memory."""
    folder = tmp_path / "bundle"
    write_bundle(folder, wiring=wiring)
    export_bundle(folder, target="tensorrt", engines=EngineSettings((LARGEST,)))
    runners = [calexnet.load(folder, target=target) for target in ("tensorrt", "onnxruntime")]
    lanes = [
        kind(steps_of(runner.engines), runner.preprocessing, LARGEST)
        for kind, runner in zip((TensorRtLane, HostLane), runners, strict=True)
    ]
    rng = np.random.default_rng(0)
    for seed in range(40):
        images = random_images(int(rng.integers(2, LARGEST + 1)), seed)
        for lane in lanes:
            lane.use(runners[0].thresholds)
            lane.start(images)
        for segment in range(3):
            found, expected = (lane.run(segment, probabilities=True) for lane in lanes)
            assert expected.label.tolist() == found.label.tolist()
            np.testing.assert_allclose(found.score, expected.score, atol=1e-6)
            assert found.probabilities is not None
            assert expected.probabilities is not None
            np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=1e-6)
            rows = np.flatnonzero(rng.random(lanes[0].rows) < 0.7)
            if len(rows) > 0 and rng.random() < 0.6:
                for lane in lanes:
                    lane.keep(rows)


def answer(rows: int) -> list[tuple[object, ...]]:
    """Return what brings label, score and exit of so many samples back."""
    return [("DeviceToHost", rows * size) for size in (4, 4, 1)]


def calls(cuda: Cuda) -> list[tuple[object, ...]]:
    """Return what was said since the last time, without the streams."""
    said = [words[:-1] for words in cuda.said]
    cuda.said.clear()
    return said


def test_only_answers_come_back_and_survivors_are_copied_on_the_gpu(
    cuda: Cuda, bundle: Path
) -> None:
    runner = calexnet.load(bundle, target="tensorrt")
    images = random_images(LARGEST)
    table = runner.ask_every_exit(images)
    # The three surest leave at the first exit, and nobody at the second.
    thresholds = np.full((2, 4), np.inf, np.float32)
    thresholds[0] = np.sort(table.scores[0])[-3]
    stay = table.scores[0] < thresholds[0, 0]
    runner = runner.with_thresholds(thresholds)
    runner(images)
    cuda.said.clear()

    runner(images)

    runs = [count for _, _, count in unbroken(np.flatnonzero(stay))]
    left = LARGEST - 3
    assert [
        ("HostToDevice", LARGEST * IMAGE),
        ("run", "segment1", LARGEST),
        *answer(LARGEST),
        ("wait",),
        *(("DeviceToDevice", count * LAYER1) for count in runs),
        ("run", "segment2", left),
        *answer(left),
        ("wait",),
        ("run", "segment3", left),
        *answer(left)[:2],
        ("wait",),
    ] == calls(cuda)


def test_thresholds_are_copied_when_they_change_and_memory_is_taken_once(
    cuda: Cuda, bundle: Path
) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=STRICT)
    images = random_images(4)

    runner(images)
    assert [("HostToDevice", 4 * FLOAT)] * 2 == calls(cuda)[:2]
    taken = dict(cuda.memory)
    runner(images)
    assert ("HostToDevice", 4 * IMAGE) == calls(cuda)[0]
    assert taken.keys() == cuda.memory.keys()


def test_a_batch_that_leaves_whole_is_not_run_on(cuda: Cuda, bundle: Path) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=LOOSE)

    assert {1} == set(runner(random_images(5)).exits.tolist())
    assert ["segment1"] == [words[1] for words in calls(cuda) if words[0] == "run"]


def test_probabilities_are_read_when_asked_for(cuda: Cuda, bundle: Path) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=LOOSE)

    runner(random_images(5), probabilities=True)

    assert ("DeviceToHost", 5 * 4 * FLOAT) in calls(cuda)


def test_memory_has_the_sizes_of_the_manifest_and_is_given_back(cuda: Cuda, bundle: Path) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=STRICT)

    runner(random_images(LARGEST))

    assert 0 == len(runner.ask_every_exit(random_images(0)).labels[0])
    # Only what a later segment reads is gathered, into a second buffer: not the image.
    carried = [LARGEST * size for size in (IMAGE, 2 * LAYER1, 2 * LAYER2)]
    answers = [LARGEST * (FOUR + FLOAT + 4 * FLOAT) * 3 + LARGEST * 2]
    assert sum(carried) + sum(answers) + 2 * 4 * FLOAT == cuda.used
    del runner
    assert {} == cuda.memory


@pytest.mark.slow
def test_a_larger_batch_takes_larger_buffers_and_the_same_contexts(
    cuda: Cuda, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create = ICudaEngine.create_execution_context

    def context(engine: ICudaEngine) -> Any:
        made.append(engine.name)
        return create(engine)

    monkeypatch.setattr(ICudaEngine, "create_execution_context", context)
    runner = calexnet.load(bundle, target="tensorrt", operating_point=STRICT)
    images = random_images(LARGEST)
    runner(images)
    used = cuda.used
    del runner
    made.clear()
    growing = calexnet.load(bundle, target="tensorrt", operating_point=STRICT)
    theirs = calexnet.load(bundle, target="onnxruntime", operating_point=STRICT)

    for rows in (1, 3, LARGEST, 2):
        found, expected = growing(images[:rows]), theirs(images[:rows])
        assert expected.exits.tolist() == found.exits.tolist()
        assert expected.labels.tolist() == found.labels.tolist()

    assert ["segment1", "segment2", "segment3"] == made
    assert used == cuda.used


def test_thresholds_that_lie_apart_are_kept_until_they_are_copied(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU that reads the host's memory when it comes to the copy."""
    cuda = Cuda(late=True)
    put_in_place(monkeypatch, cuda)
    runner = calexnet.load(bundle, target="tensorrt")
    images = random_images(LARGEST)
    table = np.array([[0.1] * 4, [0.9] * 4], np.float32)
    lane = TensorRtLane(steps_of(runner.engines), runner.preprocessing, LARGEST)
    gates = [segment.fixed["threshold"].address for segment in lane._segments[:2]]

    lane.use(np.asfortranarray(table))
    np.full((2, 4), 7.0, np.float32)  # takes the place of what nobody keeps
    lane.start(images)
    lane.run(0)

    found = [np.frombuffer(cuda.memory[gate], np.float32).tolist() for gate in gates]
    assert table.tolist() == found


def test_each_thread_has_a_stream_and_memory_of_its_own(cuda: Cuda, bundle: Path) -> None:
    runner = calexnet.load(bundle, target="tensorrt")
    batches = [random_images(1 + seed % 9, seed) for seed in range(24)]
    expected = [runner(images).exits.tolist() for images in batches]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda images: runner(images).exits.tolist(), batches))

    assert expected == found


def test_exhausted_memory_is_told_with_the_next_step(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_in_place(monkeypatch, Cuda(room=4096))
    runner = calexnet.load(bundle, target="tensorrt")

    with pytest.raises(
        EngineError,
        match=r"^the GPU's memory is exhausted: got 0 of 0 MiB free; expected 0\.0 MiB more for "
        r"one tensor\. Build for smaller batches \(calexnet-export BUNDLE --target tensorrt --b",
    ):
        runner(random_images(LARGEST))


def test_a_run_that_tensorrt_refuses_is_told_with_its_log_and_the_next_one_works(
    cuda: Cuda, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = calexnet.load(bundle, target="tensorrt", operating_point=STRICT)
    images = random_images(3)
    expected = runner(images)
    runner.engines[0]._log.log(1, "of a call that failed before")  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(
            "tests.support.tensorrt_stand_in.IExecutionContext.execute_async_v3", lambda *_: False
        )
        with pytest.raises(
            EngineError,
            match=r"^tensorrt failed in segment1: got nothing in its log for image \(3, 8, 8, 3\)",
        ):
            runner(images)

    assert expected.labels.tolist() == runner(images).labels.tolist()


def test_no_memory_for_a_context_is_told(
    cuda: Cuda, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = calexnet.load(bundle, target="tensorrt")
    monkeypatch.setattr(
        "tests.support.tensorrt_stand_in.ICudaEngine.create_execution_context", lambda _: None
    )

    with pytest.raises(EngineError, match=r"^TensorRT makes no context for segment1: got .*If mem"):
        runner(random_images(3))
