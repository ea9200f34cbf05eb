"""Interleaved blocks: several tasks timed in turn, in random order, so that drift hits all alike.

Nothing is clipped: a cascade's latency is multimodal by design, and its slow images are real.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: One call of whatever is timed.
Call = Callable[[], object]


@dataclass
class Spent:
    """What one task has spent, block by block.

    Attributes:
        wall_s: Wall-clock seconds an image.
        cpu_s: Processor-seconds an image, all threads of this process.
    """

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def ms(self) -> Floats:
        """Return ms an image, block by block."""
        return np.array(self.wall_s) * 1e3

    def mean_cpu_s(self) -> float:
        """Return the mean processor-seconds an image."""
        return float(np.mean(self.cpu_s))


@dataclass(frozen=True)
class Task:
    """Something to time: the calls of one block, and how many images they answer.

    Attributes:
        calls: Given the number of the block, the calls to make.
        images: In each block.
    """

    calls: Callable[[int], Sequence[Call]]
    images: int


def interleave(
    tasks: Mapping[str, Task],
    *,
    blocks: int,
    rng: np.random.Generator,
    after_block: Callable[[], None] = lambda: None,
) -> dict[str, Spent]:
    """Run every task once a block, in random order, and return what each spent.

    Every task is run once before anything is counted.

    Args:
        tasks: By name.
        blocks: How many.
        rng: Of the order.
        after_block: Called after each block, for progress.
    """
    spent = {name: Spent() for name in tasks}
    names = list(tasks)
    for task in tasks.values():
        for call in task.calls(0):
            call()
    with no_garbage_collection():
        for block in range(blocks):
            for index in rng.permutation(len(names)):
                name = names[index]
                _run_once(tasks[name], block, spent[name])
            after_block()
    return spent


def _run_once(task: Task, block: int, spent: Spent) -> None:
    calls = task.calls(block)
    cpu, wall = time.process_time(), time.perf_counter()
    for call in calls:
        call()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    spent.wall_s.append(wall / task.images)
    spent.cpu_s.append(cpu / task.images)


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
