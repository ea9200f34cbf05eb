"""When copying survivors on the GPU pays, from times measured on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.steps import steps_of
from calexnet.runtimes.tensorrt.lane import TensorRtLane


def measure(
    runner: Runner, images: Array, batches: Sequence[int] = (1, 2, 4, 8), repeats: int = 7
) -> Plan:
    """Return a plan for `runner`, measured with its tensors where they lie when it runs.

    A segment is timed with its answer's way back, as the host waits for it. For gathering every
    second row stays: each is then a copy of its own, the dearest case.

    Args:
        runner: Of target tensorrt.
        images: As it takes them; at least the largest batch.
        batches: Rising sizes from 1, at most what the engines were built for; survivors of larger
            batches are always gathered.
        repeats: Calls, of which the median counts.

    Raises:
        InputError: Too few images, or sizes that do not rise from 1 or are too large.
    """
    steps, sizes = steps_of(runner.engines), tuple(batches)
    most = min(len(images), TensorRtLane.most_rows(steps, runner.preprocessing))
    if sizes != tuple(sorted(set(sizes))) or sizes[:1] != (1,) or sizes[-1] > most:
        raise InputError(
            "cannot measure a plan",
            got=f"batches {sizes}",
            expected=f"rising sizes from 1 to at most {most}, what the engines and images allow",
        )
    lane = TensorRtLane(steps, runner.preprocessing, sizes[-1])
    lane.use(runner.thresholds)
    calls_ms = [_segments_ms(lane, images[:size], repeats) for size in sizes]
    later = [_gather_ms(lane, n, images[: sizes[-1]], repeats) for n in range(1, len(steps))]
    times = SegmentTimes(sizes, tuple(zip(*calls_ms, strict=True)))
    return Plan(times, (0.0, *later), runner.stamp)


def _segments_ms(lane: TensorRtLane, images: Array, repeats: int) -> list[float]:
    lane.start(images)
    found = []
    for segment in range(len(lane.steps)):
        lane.run(segment)  # the first call at a new size pays for more
        times = [_ms(partial(lane.run, segment)) for _ in range(repeats)]
        found.append(float(np.median(times)))
    return found


def _gather_ms(lane: TensorRtLane, segment: int, images: Array, repeats: int) -> float:
    """Return ms to gather one sample before `segment`."""
    stay = np.arange(0, len(images), 2)
    times = []
    for _ in range(repeats):
        lane.start(images)
        for earlier in range(segment):
            lane.run(earlier)
        lane.keep(stay)
        times.append(_ms(partial(lane.gather, segment)))
    return float(np.median(times)) / len(stay)


def _ms(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e3
