"""The pool: a lane for each call at once, and no more."""

from __future__ import annotations

import copy
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calexnet.counts import GraphCounts
from calexnet.errors import EngineError
from calexnet.images.preprocessing import Preprocessing
from calexnet.runtimes.lanes import lane as contract
from calexnet.runtimes.lanes.host import HostLane
from calexnet.runtimes.lanes.pool import Pool
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.steps import steps_of
from tests.support.onnx_bundle import random_images


def with_engines_of(runner: Runner) -> Runner:
    """Return a runner that has made no lane yet."""
    return Runner(
        runner.bundle,
        runner.compiled,
        runner.engines,
        lambda: runner.plain_engine,
        runner.thresholds,
    )


@pytest.fixture
def made() -> list[int]:
    return []


@pytest.fixture
def pool(chain: Runner, made: list[int]) -> Pool:
    def make(room: int) -> HostLane:
        made.append(room)
        return HostLane(steps_of(chain.engines), chain.preprocessing, room)

    return Pool(make, most=48)


def test_a_lane_is_used_again_and_one_that_is_too_small_is_let_go(
    pool: Pool, made: list[int]
) -> None:
    for rows in (1, 1, 5, 3, 8, 33, 48, 1):
        pool.give_back(pool.take(rows))

    assert [1, 8, 48] == made, "powers of two, up to the most"


def test_lanes_that_are_out_at_once_differ(pool: Pool, made: list[int]) -> None:
    one, other = pool.take(4), pool.take(4)

    assert one is not other
    pool.give_back(one)
    pool.give_back(other)
    assert other is pool.take(4)
    assert one is pool.take(4)
    assert [4, 4] == made


def test_many_threads_one_after_the_other_share_one_lane(chain: Runner) -> None:
    """Memory belongs to calls at once, not to threads that have come and gone."""
    images = random_images(5)
    chain(images)
    idle = chain._cascade.lanes._idle
    before = len(idle)
    for _ in range(50):
        worker = threading.Thread(target=chain, args=(images,))
        worker.start()
        worker.join()

    assert before == len(idle)


def test_threads_at_once_never_share_a_lane(pool: Pool) -> None:
    out: set[int] = set()
    lock = threading.Lock()

    def use(rows: int) -> None:
        lane = pool.take(rows)
        with lock:
            assert id(lane) not in out
            out.add(id(lane))
        lane.start(random_images(rows))
        with lock:
            out.remove(id(lane))
        pool.give_back(lane)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(use, [1 + k % 8 for k in range(400)]))


def test_a_lane_that_failed_is_forgotten(chain: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    images = random_images(4)
    wanted = chain(images)
    lanes = chain._cascade.lanes
    idle = len(lanes._idle)

    def fail(*_: object) -> None:
        raise ValueError("broken")

    with monkeypatch.context() as broken:
        broken.setattr(type(lanes._idle[-1]), "_run", fail)
        with pytest.raises(EngineError, match="broken for image"):
            chain(images)

    assert idle - 1 == len(lanes._idle)
    assert np.array_equal(wanted.exits, chain(images).exits)


def test_a_batch_over_memory_is_told_and_the_runner_goes_on(
    chain: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = chain(random_images(3))

    def full(room: int) -> HostLane:
        raise MemoryError("Unable to allocate 256 MiB")

    with monkeypatch.context() as short:
        short.setattr(chain._cascade.lanes, "_make", full)
        short.setattr(chain._cascade.lanes, "_idle", deque())
        with pytest.raises(
            EngineError,
            match=r"^no memory for the tensors of this batch: got 64 images; Unable to allocate "
            r"256 MiB\. The runner stays usable; try a smaller batch\.$",
        ):
            chain(random_images(64))

    assert np.array_equal(wanted.exits, chain(random_images(3)).exits)


@pytest.mark.parametrize("count", [1, 7, 8, 25])
def test_a_batch_beyond_the_room_is_answered_in_chunks(
    runner: Runner, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = random_images(count)
    whole, plain = runner(images, probabilities=True), runner.plain(images)
    every = runner.ask_every_exit(images)
    steps = steps_of(runner.engines)
    row_bytes = contract.ROOM_BYTES // HostLane.most_rows(steps, runner.preprocessing)
    monkeypatch.setattr(contract, "ROOM_BYTES", 7 * row_bytes + row_bytes // 2)
    small = with_engines_of(runner)

    result = small(images, probabilities=True)

    assert 7 == small._cascade.lanes.most
    assert max(lane.room for lane in small._cascade.lanes._idle) <= 7
    assert np.array_equal(whole.labels, result.labels)
    assert np.array_equal(whole.exits, result.exits)
    np.testing.assert_allclose(result.scores, whole.scores, atol=1e-5)
    assert result.probabilities is not None
    assert (count, 4) == result.probabilities.shape
    assert np.array_equal(plain.labels, small.plain(images).labels)
    assert 7 >= max(lane.room for lane in small._plain_chain().lanes._idle)
    assert np.array_equal(every.labels, small.ask_every_exit(images).labels)
    np.testing.assert_allclose(small.ask_every_exit(images).scores, every.scores, atol=1e-5)
    strided = np.repeat(images, 2, axis=0)[::2]
    assert np.array_equal(result.exits, small(strided).exits)


def test_no_more_than_a_chunk_is_traced_copied_or_searched_for_nan_at_once(
    float_runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: dict[str, list[int]] = {"ready": [], "traced": []}
    ready, traced = Preprocessing.ready, Runner.trace

    def make_ready(self: Preprocessing, images: Any, first: int = 0) -> Any:
        sizes["ready"].append(len(images))
        return ready(self, images, first)

    def trace(self: Runner, images: Any, **options: Any) -> Any:
        sizes["traced"].append(len(images))
        return traced(self, images, **options)

    monkeypatch.setattr(Preprocessing, "ready", make_ready)
    monkeypatch.setattr(Runner, "trace", trace)
    monkeypatch.setattr(contract, "ROOM_BYTES", 0)
    small = with_engines_of(float_runner)
    images = small.preprocessing.normalise(random_images(6))[::2]

    small(images)
    small.plain(images)
    small.ask_every_exit(images)

    assert [1] * 12 == sizes["ready"]
    assert [1] * 3 == sizes["traced"]


def test_what_a_segment_writes_within_bounds_the_batch_too(chain: Runner) -> None:
    """In `plain` nothing is carried, yet all of it is computed."""
    heavy = copy.copy(chain.plain_engine)
    heavy.record = replace(heavy.record, counts=GraphCounts(1, 1, 1, contract.WORK_BYTES // 2, ()))

    assert 1000 < HostLane.most_rows(steps_of([chain.plain_engine]), chain.preprocessing)
    assert 4 == HostLane.most_rows(steps_of([heavy]), chain.preprocessing)
