"""A plan for a runner with its tensors in host memory, measured on this device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.numbers import whole
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.plan import Plan
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.steps import Step, steps_of

_GRID = (1, 2, 4, 8, 16, 32)


def measure(
    runner: Runner, images: Array, batches: Sequence[int] = _GRID, repeats: int = 7
) -> Plan:
    """Return a plan for `runner`, measured here; a few seconds.

    Args:
        runner: In layout segments, with tensors in host memory.
        images: As it takes them; at least the largest batch.
        batches: Rising sizes from 1; survivors of larger batches are always gathered.
        repeats: Calls, of which the median counts.

    Raises:
        InputError: Too few images, or sizes that do not rise from 1.
    """
    sizes = tuple(whole("a batch size", size, 1, 2**31) for size in batches)
    repeats = whole("repeats", repeats, 1, 2**31)
    if sizes != tuple(sorted(set(sizes))) or sizes[:1] != (1,) or len(images) < sizes[-1]:
        raise InputError(
            "cannot measure a plan",
            got=f"batches {sizes} and {len(images)} images",
            expected="rising sizes from 1, and as many images as the largest",
        )
    calls_ms: list[list[float]] = []
    for size in sizes:
        calls_ms.append([_median_ms(call, repeats) for call, _ in runner.trace(images[:size])])
    times = SegmentTimes(sizes, tuple(zip(*calls_ms, strict=True)))
    steps = steps_of(runner.engines)
    later = [_gather_ms(step, sizes[-1], repeats) for step in steps[1:]]
    return Plan(times, (0.0, *later), runner.stamp)


def _gather_ms(step: Step, rows: int, repeats: int) -> float:
    """Return ms to gather one sample of all that `step` reads, when every second one stays."""
    stay = np.arange(0, rows, 2)
    tensors = [np.zeros(step.shape(name, rows), step.tensors[name].dtype) for name in step.takes]
    targets = [np.empty_like(tensor[: len(stay)]) for tensor in tensors]

    def gather() -> None:
        for tensor, target in zip(tensors, targets, strict=True):
            np.take(tensor, stay, axis=0, out=target, mode="clip")

    return _median_ms(gather, repeats) / len(stay)


def _median_ms(call: Callable[[], object], repeats: int) -> float:
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return float(np.median(times)) * 1e3
