"""When gathering survivors pays, from times measured on this device.

Without a plan survivors are always gathered. That is right where a segment costs much more than
copying its input; in small networks, with few leaving, running on with all is faster.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet import schema
from calexnet.costs import SegmentTimes
from calexnet.errors import InputError
from calexnet.manifest import SEGMENTS, Compiled
from calexnet.runtimes.base import Array
from calexnet.runtimes.steps import Step, steps_of

if TYPE_CHECKING:
    from calexnet.runtimes.runner import Runner

_MEASURE = "Measure one with what it is to be used with: calexnet.runtimes.measure"
_GRID = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True)
class Stamp:
    """What a plan was measured with, and is good for.

    Attributes:
        bundle: SHA-256 of its manifest.
        target: Of the build.
        precision: Likewise.
        threads: Within an operator.
        runtime: Name and version.
    """

    bundle: str
    target: str
    precision: str
    threads: int
    runtime: str

    def __str__(self) -> str:
        """Return it in words."""
        word = "thread" if self.threads == 1 else "threads"
        return (
            f"{self.target} {self.precision} of bundle {self.bundle[:12]}..., "
            f"{self.threads} {word}, {self.runtime}"
        )


@dataclass(frozen=True)
class Plan:
    """What segments and gathering cost on one device, for one build and number of threads.

    Attributes:
        times: Of every segment over batch sizes, as ``calexnet-bench`` measures them too.
        gather_ms: ms to gather one sample's tensors before each segment; 0 for the first.
        stamp: What it was measured with; ``None`` = its user vouches for it.
    """

    times: SegmentTimes
    gather_ms: tuple[float, ...]
    stamp: Stamp | None = None

    def __post_init__(self) -> None:
        """Check that both speak of the same segments.

        Raises:
            InputError: They do not, or a time is no number.
        """
        rows, wanted = [len(row) for row in self.times.call_ms], len(self.times.batches)
        numbers = [ms for row in (*self.times.call_ms, self.gather_ms) for ms in row]
        if rows != [wanted] * len(self.gather_ms) or not np.isfinite(numbers).all():
            raise InputError(
                "the plan cannot be used",
                got=f"{len(self.gather_ms)} gather times for segments measured at {rows} sizes",
                expected=f"one a segment, and numbers at {wanted} sizes each",
            )

    @property
    def segments(self) -> int:
        """Of how many segments it speaks."""
        return len(self.gather_ms)

    def refuse_elsewhere(self, build: Compiled, here: Stamp | None) -> None:
        """Do nothing if the plan is good for `build`, run as `here` says.

        Raises:
            InputError: It is not.
        """
        if build.layout != SEGMENTS:
            raise InputError(
                "a plan is for segments", got=f"layout {build.layout}", fix="Leave out the plan"
            )
        if here is not None and self.stamp not in (None, here):
            raise InputError(
                "the plan was measured with something else",
                got=self.stamp,
                expected=str(here),
                fix=_MEASURE,
            )
        if self.segments != len(build.segments):
            raise InputError(
                "the plan is of another cascade",
                got=f"{self.segments} segments",
                expected=str(len(build.segments)),
                fix=_MEASURE,
            )

    def gathers(self, segment: int, rows: int, left: int) -> bool:
        """Return whether to gather `left` of `rows` samples before `segment`, counted from 0.

        Only this segment counts: before the next one it can still be done, for no more than now.
        Beyond the measured sizes always.
        """
        if rows >= len(self._call_ms[segment]):
            return True
        call_ms = self._call_ms[segment]
        return bool(call_ms[left] + left * self.gather_ms[segment] < call_ms[rows])

    @cached_property
    def _call_ms(self) -> list[NDArray[np.float64]]:
        """Times at every count of samples from 0 up, linear between the measured ones."""
        counts, sizes = np.arange(self.times.batches[-1] + 1), self.times.batches
        return [np.interp(counts, (0, *sizes), (0.0, *row)) for row in self.times.call_ms]

    def to_json(self) -> str:
        """Return it as text, to be kept beside an app's settings: it holds for one device."""
        return json.dumps(schema.encode(self))

    @staticmethod
    def from_json(text: str) -> Plan:
        """Return what `to_json` wrote.

        Raises:
            InputError: It is not that.
        """
        try:
            plan: Plan = schema.decode(Plan, json.loads(text))
        except ValueError as problem:
            raise InputError(
                "this is no plan", got=problem, fix="Measure one with calexnet.runtimes.measure"
            ) from problem
        return plan


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
    sizes = tuple(batches)
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
