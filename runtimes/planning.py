"""A plan for a runner, measured in the lane where its tensors lie when it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.numbers import whole
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.lanes.lane import Lane
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.runner import Runner

_GRID = (1, 2, 4, 8, 16, 32)


def measure(
    runner: Runner, images: Array, batches: Sequence[int] = _GRID, repeats: int = 7
) -> Plan:
    """Return a plan for `runner`, measured here; a few seconds.

    A segment is timed with its answer's way back, as the runner waits for it. For gathering every
    second row stays: on a GPU each is then a copy of its own, the dearest case.

    Args:
        runner: In layout segments.
        images: As it takes them; at least the largest batch.
        batches: Rising sizes from 1, at most what engines were built for; survivors of larger
            batches are always gathered.
        repeats: Calls, of which the median counts.

    Raises:
        InputError: Too few images, or sizes that do not rise from 1 or are too large.
    """
    sizes = tuple(whole("a batch size", size, 1, 2**31) for size in batches)
    repeats = whole("repeats", repeats, 1, 2**31)
    images = runner.preprocessing.check(images)
    most = min(len(images), runner.most)
    if sizes != tuple(sorted(set(sizes))) or sizes[:1] != (1,) or sizes[-1] > most:
        raise InputError(
            "cannot measure a plan",
            got=f"batches {sizes} and {len(images)} images",
            expected=f"rising sizes from 1 to at most {most}, what the engines and images allow",
        )
    with runner.lane(sizes[-1]) as lane:
        calls_ms = [_segments_ms(lane, images[:size], repeats) for size in sizes]
        largest = images[: sizes[-1]]
        later = [_gather_ms(lane, n, largest, repeats) for n in range(1, len(lane.steps))]
    times = SegmentTimes(sizes, tuple(zip(*calls_ms, strict=True)))
    return Plan(times, (0.0, *later), runner.stamp)


def _segments_ms(lane: Lane, images: Array, repeats: int) -> list[float]:
    lane.start(images)
    found = []
    for segment in range(len(lane.steps)):
        lane.run(segment)  # the first call at a new size pays for more
        times = [_ms(partial(lane.run, segment)) for _ in range(repeats)]
        found.append(float(np.median(times)))
    return found


def _gather_ms(lane: Lane, segment: int, images: Array, repeats: int) -> float:
    """Return ms to gather one sample of all that `segment` reads, when every second one stays."""
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
