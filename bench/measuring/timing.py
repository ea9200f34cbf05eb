"""Interleaved blocks: several tasks timed in turn, in random order, so that drift hits all alike.

Every call is timed by itself and kept. Nothing is clipped: a cascade's latency is multimodal by
design, and its slow images are real.
"""

from __future__ import annotations

import gc
import itertools
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calexnet.devices.pacing import RealTime, Time
from calexnet.errors import InputError

Floats = NDArray[np.float64]

#: Calls of a task that are timed to find out how many fit into a block; none after so many seconds.
_TRIALS, _TRIALS_S = 5, 0.05

#: One call of whatever is timed.
Call = Callable[[], object]


class Stopwatch(ABC):
    """What times one call.

    Attributes:
        name: For the record: ``wall``, or what a device's own events are called.
    """

    name: str

    @abstractmethod
    def seconds(self, call: Call) -> float:
        """Make the call and return how long it took."""


class WallClock(Stopwatch):
    """The time that passes for the caller."""

    name = "wall"

    def seconds(self, call: Call) -> float:
        """Make the call and return how long it took; what it returned is freed afterwards."""
        start = time.perf_counter()
        answer = call()
        passed = time.perf_counter() - start
        del answer
        return passed


@dataclass(frozen=True)
class Load:
    """How calls arrive: one after the other, or by a clock of their own.

    Attributes:
        calls_per_s: Their rate; ``None`` = closed, each call begins when the last one has ended.
    """

    calls_per_s: float | None = None

    @classmethod
    def parse(cls, text: str) -> Load:
        """Return what ``closed`` or ``rate:R`` means, with R calls a second.

        Raises:
            InputError: It means nothing.
        """
        kind, _, rate = text.partition(":")
        try:
            found = cls(None) if text == "closed" else cls(float(rate))
        except ValueError:
            found = cls(0.0)
        if text != "closed" and (kind != "rate" or not 0 < (found.calls_per_s or 0) < np.inf):
            raise InputError(
                "the load cannot be used", got=repr(text), expected="closed, or rate:R calls/s"
            )
        return found

    def __str__(self) -> str:
        """Return what `parse` reads."""
        return "closed" if self.calls_per_s is None else f"rate:{self.calls_per_s:g}"


@dataclass
class Spent:
    """What one task has spent.

    Attributes:
        images: In each block.
        call_s: Seconds of each call, block by block; under a rate, from when the call was due.
        cpu_s: Processor-seconds an image, all threads of this process, block by block.
    """

    images: int
    call_s: list[Floats] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def ms(self) -> Floats:
        """Return the mean ms an image, block by block."""
        return np.array([calls.sum() for calls in self.call_s]) * 1e3 / self.images

    def mean_cpu_s(self) -> float:
        """Return the mean processor-seconds an image."""
        return float(np.mean(self.cpu_s))


@dataclass(frozen=True)
class Task:
    """Something to time: the calls of one block, and how many images they answer.

    Attributes:
        calls: Given the number of the block, the calls to make.
        images: In each block.
        batch: Images in each call.
        others: Makes further calls ready, to be made once before anything is counted.
        group: Tasks of one name mix their calls in each block; alone if empty.
        ahead: Given the number of the block, a call to make before each of its `calls`, which is
            not counted; or none at all.
        led: Whether a call of its own that is not counted goes ahead of a block, where nothing else
            does.
    """

    calls: Callable[[int], Sequence[Call]]
    images: int
    batch: int = 1
    others: Callable[[], Sequence[Call]] = tuple
    group: str = ""
    ahead: Callable[[int], Sequence[Call]] = lambda block: ()
    led: bool = True


@dataclass(frozen=True)
class Work:
    """Something to time, before it is known how often.

    Attributes:
        call: The n-th call, from 0; whatever it needs is made ready before it is made.
        images: That each call answers.
        shapes: What the n-th call gives the segments to run on, if that is not the same for all.
        group: See `Task`.
        ahead: What is called before the n-th call, and not counted, under closed load: what comes
            before it in an app, whose traces in the processor's caches are part of its cost.
    """

    call: Callable[[int], Call]
    images: int
    shapes: Callable[[int], frozenset[object]] = lambda number: frozenset()
    group: str = ""
    ahead: Callable[[int], Call] | None = None

    def once_s(self, method: Method) -> float:
        """Return the seconds of a call, with what goes ahead of it.

        The fastest of a few: one hiccup must not starve a task in every block. A slow call is made
        less often: beside it a hiccup is small.
        """
        once_s = self._fastest(self.call, method.stopwatch)
        if self.ahead is not None and method.load.calls_per_s is None:
            once_s += self._fastest(self.ahead, method.stopwatch)
        return max(once_s, 1.0 / (method.load.calls_per_s or np.inf), 1e-9)

    @staticmethod
    def _fastest(make: Callable[[int], Call], stopwatch: Stopwatch) -> float:
        make(0)()
        found: list[float] = []
        while len(found) < _TRIALS and sum(found) < _TRIALS_S:
            found.append(stopwatch.seconds(make(len(found))))
        return min(found)

    def task(self, calls: int, blocks: int = 1, *, led: bool = True) -> Task:
        """Return a task of so many calls a block; each block goes on where the last one ended.

        Every shape that a segment meets in so many blocks is met once before.
        """
        ahead = self.ahead
        return Task(
            lambda block: [self.call(block * calls + i) for i in range(calls)],
            calls * self.images,
            self.images,
            lambda: [self.call(number) for number in self.new_shapes(calls * blocks)],
            self.group,
            lambda block: [] if ahead is None else [ahead(block * calls + i) for i in range(calls)],
            led,
        )

    def new_shapes(self, calls: int) -> Iterator[int]:
        """Yield the numbers of the calls that meet a shape for the first time."""
        met: set[object] = set()
        for number in range(calls):
            shapes = self.shapes(number)
            if not shapes <= met:
                met |= shapes
                yield number


@dataclass(frozen=True)
class Method:
    """How tasks are timed.

    Attributes:
        blocks: How many.
        seed: Of the order within each block.
        stopwatch: What times a call.
        load: How calls arrive.
        time: The clock by which they arrive.
    """

    blocks: int
    seed: int = 0
    stopwatch: Stopwatch = field(default_factory=WallClock)
    load: Load = field(default_factory=Load)
    time: Time = field(default_factory=RealTime)


#: The calls of one block, task by task, and the processor-seconds an image.
Block = dict[str, tuple[list[float], float]]


def interleave(
    tasks: Mapping[str, Task],
    method: Method,
    *,
    known: Sequence[Block] = (),
    after_block: Callable[[Block], None] = lambda block: None,
    enough: Callable[[int], bool] = lambda blocks: False,
) -> dict[str, Spent]:
    """Run every task once a block, in random order, and return what each spent.

    Every task is run once before anything is counted, and further calls for every shape that its
    segments meet later: all segments, gates and buffers are warm. The largest batches go first, for
    a runner's memory grows with them and is then another.

    Args:
        tasks: By name.
        method: How.
        known: Blocks of an earlier run that are taken as they are; only the rest is timed.
        after_block: Called with each block that was timed, outside what is timed.
        enough: Given how many blocks there are, tells whether to end before all were timed.
    """
    spent = {name: Spent(task.images) for name, task in tasks.items()}
    for block in known:
        _add(spent, block)
    if len(known) < method.blocks:
        for task in sorted(tasks.values(), key=lambda task: -task.batch):
            for call in (*task.calls(0), *task.others()):
                call()
    with no_garbage_collection():
        for number in range(len(known), method.blocks):
            block = _block(tasks, method, number)
            _add(spent, block)
            after_block(block)
            if enough(number + 1):
                break
    return spent


def _block(tasks: Mapping[str, Task], method: Method, number: int) -> Block:
    units: dict[str, list[str]] = {}
    for name, task in tasks.items():
        units.setdefault(task.group or name, []).append(name)
    rng = np.random.default_rng([method.seed, number])
    found: Block = {}
    for place in rng.permutation(len(units)):
        names = [*units.values()][place]
        found |= _mixed(tasks, names, method, number, rng)
    return found


def _mixed(
    tasks: Mapping[str, Task],
    names: Sequence[str],
    method: Method,
    number: int,
    rng: np.random.Generator,
) -> Block:
    """Make the calls of one task in their order, or those of several in random order."""
    calls = [
        (name, ahead, call)
        for name in names
        for ahead, call in itertools.zip_longest(
            tasks[name].ahead(number) if method.load.calls_per_s is None else (),
            tasks[name].calls(number),
        )
    ]
    if len(names) > 1:
        calls = [calls[place] for place in rng.permutation(len(calls))]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    if calls[0][1] is None and tasks[calls[-1][0]].led:
        calls[-1][2]()  # what another task left in the processor's caches is no cost of this one
    timed = _timed([(ahead, call) for _, ahead, call in calls], method)
    for (name, _, _), one in zip(calls, timed, strict=True):
        found[name].append(one)
    return {
        name: ([wall for wall, _ in some], sum(cpu for _, cpu in some) / tasks[name].images)
        for name, some in found.items()
    }


def _timed(
    calls: Sequence[tuple[Call | None, Call]], method: Method
) -> Iterator[tuple[float, float]]:
    """Yield seconds and processor-seconds of each call; if late, it counts from when it was due."""
    rate, clock = method.load.calls_per_s, method.time
    start = clock.now() if rate else 0.0
    for number, (ahead, call) in enumerate(calls):
        if ahead is not None:
            ahead()
        late = 0.0
        if rate:
            late = clock.now() - (start + number / rate)
            clock.sleep(max(0.0, -late))
        before = time.process_time()
        seconds = max(0.0, late) + method.stopwatch.seconds(call)
        yield seconds, time.process_time() - before


def _add(spent: Mapping[str, Spent], block: Block) -> None:
    for name, (seconds, cpu_s) in block.items():
        spent[name].call_s.append(np.array(seconds))
        spent[name].cpu_s.append(cpu_s)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Collect garbage once, and no more until the block ends."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
