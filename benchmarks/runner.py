"""What the runner costs beside the runtime's own work: the ratios of ``make bench``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.measuring.timing import Call, Method, Spent, Task, interleave
from calexnet.bench.model import statistics
from calexnet.bench.report.interval import Interval
from calexnet.costs import SegmentTimes, expected_call_ms
from calexnet.gating import NEVER, ExitTable, forcing
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.runner import Runner
from calexnet.runtimes.steps import steps_of
from calexnet.runtimes.tflite.engine import TfliteEngine

#: Share of images that leave at each exit of a cascade with three branches.
EXIT_RATES = (0.4, 0.3, 0.2, 0.1)


@dataclass(frozen=True)
class Figure:
    """One printed line: a number with its interval, and the bar it is held against, if any.

    Attributes:
        what: The line's words.
        value: The number.
        bar: Its bar, ``None`` for none.
        unit: Of the number; nothing for a ratio.
        at_least: The bar is below; else above.
    """

    what: str
    value: Interval
    bar: float | None = None
    unit: str = ""
    at_least: bool = False

    def __str__(self) -> str:
        """Return the line."""
        value = self.value
        words = [f"{value.value:6.3f} [{value.low:.3f}, {value.high:.3f}]", self.unit]
        if self.bar is not None:
            words.append(f" (bar {'>= ' * self.at_least}{self.bar:g}: {self._verdict(self.bar)})")
        return f"{self.what:<84} {' '.join(word for word in words if word)}"

    def _verdict(self, bar: float) -> str:
        """Return ``met`` or ``missed``, or that the interval holds the bar and nothing is sure."""
        if self.value.low <= bar <= self.value.high:
            return "unclear" if self.value.low < self.value.high else "met"
        return "met" if (self.value.low > bar) == self.at_least else "missed"


class Bare:
    """The runtime's own calls of a cascade's segments, on memory of their own; nothing of ours.

    Args:
        runner: Of the cascade.
        images: To have something real in the memory; the largest batch.
    """

    def __init__(self, runner: Runner, images: Array) -> None:
        self._calls = [call for call, _ in runner.trace(images)]
        self._outputs = [
            {t.name: np.empty(step.shape(t.name, len(images)), t.dtype) for t in outputs}
            for step, outputs in (
                (step, step.engine.record.outputs) for step in steps_of(runner.engines)
            )
        ]
        self._known: dict[tuple[int, int], Call] = {}

    def call(self, segment: int, rows: int) -> Call:
        """Return the call of one segment, from 0, on `rows` samples."""
        key = segment, rows
        if key not in self._known:
            self._known[key] = self._bind(segment, rows)
        return self._known[key]

    def _bind(self, segment: int, rows: int) -> Call:
        engine, feeds = self._calls[segment].engine, self._calls[segment].feeds
        some = {n: array if n == "threshold" else array[:rows] for n, array in feeds.items()}
        if isinstance(engine, TfliteEngine):
            planned = engine.lend()
            planned.plan(rows)
            for name, array in some.items():
                planned.inputs[name][...] = array
            return planned.invoke
        outputs = {name: array[:rows] for name, array in self._outputs[segment].items()}
        return engine.bind(some, outputs)


def forced(runner: Runner, images: Array, rates: Sequence[float] = EXIT_RATES) -> Runner:
    """Return `runner` with one threshold a branch, by which `rates` of `images` leave."""
    table = runner.ask_every_exit(images)
    return runner.with_thresholds(forcing_rates(table, len(runner.classes), rates))


def forcing_rates(table: ExitTable, classes: int, rates: Sequence[float]) -> NDArray[np.float32]:
    """Return one threshold a branch, by which `rates` of the samples leave."""
    thresholds = np.empty((table.branches, classes), np.float32)
    alive, left = np.arange(table.labels.shape[1]), 1.0
    for branch, rate in enumerate(rates[: table.branches]):
        scores = table.scores[branch][alive]
        thresholds[branch] = np.quantile(scores, 1 - rate / left)
        alive, left = alive[scores < thresholds[branch][0]], left - rate
    return thresholds


def ratio_figures(
    name: str,
    runner: Runner,
    images: Array,
    batch: int,
    blocks: int,
    bars: Mapping[str, float] | None = None,
) -> list[Figure]:
    """Return the cascade beside its segments and plain at one batch size.

    Args:
        name: Of what runs.
        runner: With the thresholds that images are to leave by.
        images: uint8 ``(n, H, W, C)``; at least `batch`.
        batch: Images a call.
        blocks: Interleaved blocks.
        bars: By the line's words.
    """
    rounds = _rounds(images, batch)
    bare = Bare(runner, images[:batch])
    staying = runner.with_thresholds(np.full(runner.thresholds.shape, NEVER, np.float32))
    spent = _measure(
        {
            "plain": _task(runner.plain, rounds),
            "chain": _task(staying, rounds),
            "cascade": _task(runner, rounds),
            "its segments": _replay(runner, bare, rounds),
        },
        blocks,
    )
    lines = [
        ("chain, nobody exiting / plain", "chain", "plain"),
        ("cascade / sum of its segments", "cascade", "its segments"),
        ("cascade / plain", "cascade", "plain"),
    ]
    return [
        Figure(
            f"{name}, batch {batch}: {what}",
            statistics.typical(spent[over].ms() / spent[under].ms(), seed=0),
            (bars or {}).get(what),
        )
        for what, over, under in lines
    ]


def own_cost(name: str, runner: Runner, images: Array, blocks: int, bar: float) -> Figure:
    """Return what the runner adds to each segment's bare call, nobody leaving, at batch 1."""
    rounds = [[images[i : i + 1] for i in range(20)]]
    staying = runner.with_thresholds(np.full(runner.thresholds.shape, NEVER, np.float32))
    bare, segments = Bare(runner, images[:1]), len(runner.engines)
    alone = [bare.call(segment, 1) for _ in rounds[0] for segment in range(segments)]
    spent = _measure({"chain": _task(staying, rounds), "bare": Task(lambda _: alone, 20)}, blocks)
    added_us = (spent["chain"].ms() - spent["bare"].ms()) * 1e3 / segments
    what = f"{name}, batch 1: runner's own cost a segment"
    return Figure(what, statistics.typical(added_us, seed=0), bar, "us")


def throughput_figures(
    name: str, runner: Runner, images: Array, blocks: int, bar: float | None
) -> list[Figure]:
    """Return the cascade at batch 32 against what its segments' own grid implies, and FLOPs.

    The grid is measured in the same blocks, at powers of two; the expectation is over how many
    survive (`calexnet.costs.expected_call_ms`).
    """
    batch, grid = 32, (1, 2, 4, 8, 16, 32)
    bare, segments = Bare(runner, images[:batch]), len(runner.engines)
    rounds = _rounds(images, batch)
    tasks = {"plain": _task(runner.plain, rounds), "cascade": _task(runner, rounds)}
    for segment in range(segments):
        for rows in grid:
            calls = [bare.call(segment, rows)] * max(1, 8 // rows)
            tasks[f"{segment}/{rows}"] = Task(partial(_always, calls), len(calls))
    spent = _measure(tasks, blocks)
    exits = runner(images).exits
    rates = [float((exits == number + 1).mean()) for number in range(segments)]
    implied = np.array(
        [
            expected_call_ms(_times(spent, segments, grid, block), batch, rates) / batch
            for block in range(blocks)
        ]
    )
    cascade_ms, plain_ms = spent["cascade"].ms(), spent["plain"].ms()
    macs = runner.bundle.manifest.macs
    promised = macs.plain / macs.expected(rates)
    shares = "/".join(f"{100 * rate:.0f}" for rate in rates)
    label = f"{name}, batch 32, {shares} %"
    return [
        Figure(
            f"{label}: throughput / what its segments imply",
            statistics.typical(implied / cascade_ms, seed=0),
            bar,
            at_least=True,
        ),
        Figure(
            f"{label}: faster than plain (FLOPs imply {promised:.2f})",
            statistics.typical(plain_ms / cascade_ms, seed=0),
        ),
    ]


def layout_figures(
    name: str, parts: Runner, whole: Runner, image: Array, blocks: int
) -> list[Figure]:
    """Return layout `if` against segments, and both against plain, at every exit.

    Args:
        name: Of the cascade.
        parts: In layout segments.
        whole: In layout `if`.
        image: One.
        blocks: Interleaved blocks.
    """
    exits = range(1, len(parts.thresholds) + 2)
    repeats = 8
    tasks = {"plain": Task(lambda _: [partial(parts.plain, image)] * repeats, repeats)}
    for number in exits:
        table = forcing(parts.thresholds.shape, number)
        for kind, runner in (("segments", parts), ("if", whole)):
            calls: list[Call] = [partial(runner.with_thresholds(table), image)] * repeats
            tasks[f"{kind}{number}"] = Task(partial(_always, calls), repeats)
    spent = _measure(tasks, blocks)
    plain_ms = spent["plain"].ms()
    figures = []
    for number in exits:
        whole_ms = spent[f"if{number}"].ms()
        ratios = {
            "segments": whole_ms / spent[f"segments{number}"].ms(),
            "plain": whole_ms / plain_ms,
        }
        figures += [
            Figure(
                f"{name}, batch 1, leaving at exit {number}: layout if / {under}",
                statistics.typical(values, seed=0),
            )
            for under, values in ratios.items()
        ]
    return figures


def _measure(tasks: Mapping[str, Task], blocks: int) -> dict[str, Spent]:
    return interleave(tasks, Method(blocks))


def _rounds(images: Array, batch: int) -> list[list[Array]]:
    """Return the batches of each round; at least eight images, but for large ones.

    Short rounds, and more of them: a ratio is only as steady as the clock within its block.
    """
    size = max(batch, 8)
    return [
        [images[i : i + batch] for i in range(start, start + size, batch)]
        for start in range(0, len(images) - size + 1, size)
    ]


def _task(run: Callable[[Array], object], rounds: Sequence[Sequence[Array]]) -> Task:
    """Return `run` on the batches of one round a block."""
    calls: list[list[Call]] = [[partial(run, batch) for batch in batches] for batches in rounds]
    return _in_turn(calls, rounds)


def _replay(runner: Runner, bare: Bare, rounds: Sequence[Sequence[Array]]) -> Task:
    """Return the segments' own calls, at just the batch sizes that the cascade gives them."""
    calls = [
        [call for batch in batches for call in _calls_within(runner, bare, batch)]
        for batches in rounds
    ]
    return _in_turn(calls, rounds)


def _in_turn(calls: Sequence[Sequence[Call]], rounds: Sequence[Sequence[Array]]) -> Task:
    images = sum(len(batch) for batch in rounds[0])
    return Task(lambda block: calls[block % len(calls)], images)


def _calls_within(runner: Runner, bare: Bare, batch: Array) -> Iterator[Call]:
    exits = runner(batch).exits
    for segment in range(len(runner.engines)):
        reached = int((exits > segment).sum())
        if reached > 0:
            yield bare.call(segment, reached)


def _always(calls: Sequence[Call], block: int) -> Sequence[Call]:
    return calls


def _times(
    spent: Mapping[str, Spent], segments: int, grid: tuple[int, ...], block: int
) -> SegmentTimes:
    return SegmentTimes(
        grid,
        tuple(
            tuple(float(spent[f"{segment}/{rows}"].ms()[block]) for rows in grid)
            for segment in range(segments)
        ),
    )
