"""Whether a runtime wants fixed shapes: planning anew for each batch size, against padding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from benchmarks.runner import Figure
from calexnet.bench.measuring.timing import Call, Method, Task, interleave
from calexnet.bench.model import statistics
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.tflite.engine import TfliteEngine
from calexnet.runtimes.tflite.interpreter import Planned

#: Batches that come by turns; padding would make the larger of both.
_SIZES = (7, 8)


def size_figures(name: str, runner: Runner, images: Array, blocks: int) -> list[Figure]:
    """Return, for each segment on LiteRT, two sizes by turns over both padded to the larger.

    The best case for padding: one row of it in two batches, and an interpreter that is planned anew
    for every one. Below 1 planning wins.

    Args:
        name: Of the cascade.
        runner: Of target tflite.
        images: At least 8.
        blocks: Interleaved blocks.
    """
    tasks: dict[str, Task] = {}
    for segment, (call, _) in enumerate(runner.trace(images[: max(_SIZES)])):
        assert isinstance(call.engine, TfliteEngine)
        tasks[f"anew{segment}"] = _task(call.engine.lend(), call.feeds, _SIZES)
        tasks[f"padded{segment}"] = _task(call.engine.lend(), call.feeds, (max(_SIZES),) * 2)
    spent = interleave(tasks, Method(blocks))
    return [
        Figure(
            f"{name}, segment {segment + 1}, batches of 7 and 8: planned anew / padded to 8",
            statistics.typical(
                spent[f"anew{segment}"].ms() / spent[f"padded{segment}"].ms(), seed=0
            ),
        )
        for segment in range(len(tasks) // 2)
    ]


def _task(planned: Planned, feeds: Mapping[str, Array], sizes: Sequence[int]) -> Task:
    planned.plan(max(_SIZES))
    for name, array in feeds.items():
        planned.inputs[name][...] = array
    calls: list[Call] = [partial(_run, planned, size) for size in sizes]
    return Task(lambda block: calls, sum(_SIZES))


def _run(planned: Planned, size: int) -> None:
    planned.plan(size)
    planned.invoke()
