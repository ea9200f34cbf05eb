"""Timing all pieces of a pool in one interleaved run; see `calexnet.bench.costs.board`.

A piece is timed where it stands in an app: behind what leads up to it, driven by the runner's own
loop. What leads up to it is called ahead and not counted. Where the caches are is part of the cost,
and depends on what ran since the piece last did; so each is timed at both ends: warm and cold.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from functools import partial
from itertools import cycle
from pathlib import Path
from time import monotonic

import numpy as np

from calexnet.bench.costs.board import SCHEMA, Board, CostRow, Setting
from calexnet.bench.costs.power import mean_power
from calexnet.bench.measuring.conditions import Watch
from calexnet.bench.measuring.measure import versions
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.schedule import LEAST_BLOCKS, Schedule, schedule
from calexnet.bench.measuring.settling import settle
from calexnet.bench.measuring.timing import (
    Block,
    Call,
    Method,
    Stopwatch,
    WallClock,
    Work,
    interleave,
)
from calexnet.bench.model import validity
from calexnet.bench.model.blocks import Blocks, told_apart
from calexnet.bench.report.document import LeftOut
from calexnet.bench.report.settled import Settled
from calexnet.devices.base import Device
from calexnet.devices.pacing import RealTime, Time
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.export.pool.document import Piece, Pool, PoolNetwork, Span, open_pool
from calexnet.gating import forcing
from calexnet.progress import Progress, track
from calexnet.runtimes.contract import Runtime
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.lanes.lane import Lane
from calexnet.runtimes.loading import runtime, runtime_packages
from calexnet.runtimes.result import Batch
from calexnet.runtimes.runner import Chain
from calexnet.runtimes.steps import steps_of

#: By how much a run may be late before it ends with fewer blocks.
_LATE = 1.2
#: Runs something on a batch of images.
Run = Callable[[Array], object]

#: Different images that a task goes through.
_IMAGES = 8


@dataclass(frozen=True)
class CostPlan:
    """What to measure.

    Attributes:
        batches: Samples a call; every power of two below the largest is timed too, for survivors.
        threads: Thread settings.
        target: ``None`` = all that work here.
        precision: ``None`` = all.
        blocks: Interleaved blocks, at most.
        seconds: For all that is timed; there are fewer blocks where these would take longer.
        settle_s: How long to wait at most for a machine that cools down or warms up.
        allow_unstable: Keep the numbers of a run that breaks the rules.
        seed: Of the order and the images.
        command: For the record.
    """

    batches: tuple[int, ...] = (1,)
    threads: tuple[int, ...] = (1,)
    target: str | None = None
    precision: str | None = None
    blocks: int = 40
    seconds: float = 60.0
    settle_s: float = 0.0
    allow_unstable: bool = False
    seed: int = 0
    command: str = ""
    grid: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Check that there is something to measure, by the rules of every benchmark.

        Raises:
            InputError: There is not.
        """
        plan = BenchPlan(
            self.batches,
            self.threads,
            blocks=self.blocks,
            seconds=self.seconds,
            settle_s=self.settle_s,
            seed=self.seed,
        )
        object.__setattr__(self, "grid", plan.grid)


def measure(
    folder: Path,
    plan: CostPlan,
    device: Device,
    *,
    stopwatch: Stopwatch | None = None,
    time: Time | None = None,
) -> Board:
    """Return what every piece of the pool in `folder` costs on `device`.

    Args:
        folder: The pool.
        plan: What to measure.
        device: To look at.
        stopwatch: What times a call; by default the time that passes for the caller.
        time: The clock; the machine's own by default.

    Raises:
        BundleError: The pool is damaged.
        InputError: It has no such target or precision.
        RuntimeUnavailableError: No runtime of the pool works here.
    """
    method = Method(plan.blocks, plan.seed, stopwatch or WallClock(), time=time or RealTime())
    return _Costs(open_pool(folder), plan, device, method).board()


class _Costs:
    """One run."""

    def __init__(self, pool: Pool, plan: CostPlan, device: Device, method: Method) -> None:
        self.started, self.start_s = datetime.now(timezone.utc), monotonic()
        self.pool, self.plan, self.device = pool, plan, device
        self.method = method
        self.record = device.describe()
        self.builds, self.left_out = _usable(pool, plan)

    def board(self) -> Board:
        """Measure everything and return it."""
        tasks = {threads: dict(self._tasks(threads)) for threads in self.plan.threads}
        planned = self._schedule(tasks)
        self.method = replace(self.method, blocks=planned.blocks)
        settled = self._settle(tasks)
        watch = Watch(self.device)
        blocks = {t: self._timed(t, mine, planned, watch) for t, mine in tasks.items()}
        conditions = watch.found(self.record.state, self.device.state())
        return Board(
            schema=SCHEMA,
            pool=self.pool.sha256,
            device=self.record,
            rows=tuple(row for t, mine in tasks.items() for row in _rows(mine, blocks[t])),
            validity=validity.judge(conditions, blocks, allowed=self.plan.allow_unstable),
            blocks={str(threads): len(found.pace) for threads, found in blocks.items()},
            power=mean_power(self.device, _wholes(tasks), self.method.time),
            versions=self._versions(),
            command=self.plan.command,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(monotonic() - self.start_s, 1),
            seed=self.plan.seed,
            clock=self.method.stopwatch.name,
            settled=settled,
            left_out=tuple(self.left_out),
        )

    def _tasks(self, threads: int) -> Iterator[tuple[str, _Task]]:
        """Yield everything that is timed on one thread setting, by name."""
        for target, precision in self.builds:
            pieces = self.pool.pieces(target, precision)
            words = f"opening {target} {precision}, pieces"
            engines = {
                span: self._engine(piece, threads)
                for span, piece in track(pieces.items(), words, len(pieces))
            }
            networks = {
                network.name: Opened(network, engines, runtime(target), self.plan.seed)
                for network in self.pool.record.networks
            }
            largest = networks[self.pool.largest(target, precision).network]
            for batch in self.plan.grid:
                setting = Setting(target, precision, batch, threads)
                between = largest.whole(batch)
                for span in pieces:
                    for cold in (False, True):
                        work = networks[span.network].work(span, batch, between if cold else None)
                        task = _Task(span, setting, cold, work)
                        yield task.name, task

    def _engine(self, piece: Piece, threads: int) -> Engine:
        data = self.pool.read_graph(piece)
        return runtime(piece.target).load(piece.graph, data, provider=None, threads=threads)

    def _schedule(self, tasks: Mapping[int, Mapping[str, _Task]]) -> Schedule:
        """Return how often everything is called, and say how long it takes."""
        begun = monotonic()
        every = {_at(t, name): one.work for t, mine in tasks.items() for name, one in mine.items()}
        once_s = {
            name: every[name].once_s(self.method)
            for name in track(every, "finding out how fast each piece is", len(every))
        }
        left = max(self.plan.seconds - (monotonic() - begun), self.plan.seconds / 2)
        found = schedule(once_s, left, self.plan.blocks)
        print(
            f"calexnet-bench: timing {len(every)} tasks takes about {found.seconds:.0f} s, "
            f"in {found.blocks} blocks",
            file=sys.stderr,
        )
        return found

    def _settle(self, tasks: Mapping[int, Mapping[str, _Task]]) -> Settled | None:
        if self.plan.settle_s == 0:
            return None
        work = next(one.work for mine in tasks.values() for one in mine.values())
        return settle(work.call(0), self.device, self.method.time, self.plan.settle_s)

    def _timed(
        self, threads: int, tasks: Mapping[str, _Task], planned: Schedule, watch: Watch
    ) -> Blocks:
        timed = {
            name: one.work.task(planned.calls[_at(threads, name)]) for name, one in tasks.items()
        }
        until = self.method.time.now() + _LATE * planned.seconds
        words = f"threads {threads}, {len(tasks)} tasks, blocks"
        with Progress(words, self.method.blocks) as progress:

            def after_block(block: Block) -> None:
                watch.look()
                progress.advance()

            def enough(blocks: int) -> bool:
                return blocks >= LEAST_BLOCKS and self.method.time.now() > until

            spent = interleave(timed, self.method, after_block=after_block, enough=enough)
        return told_apart({name: one.ms() for name, one in spent.items()}, self.plan.seed)

    def _versions(self) -> dict[str, str]:
        packages = [name for target, _ in self.builds for name in runtime_packages(target)]
        return versions("calexnet", "numpy", *packages)


@dataclass(frozen=True)
class _Task:
    """What is timed: a piece at a setting, warm or cold."""

    span: Span
    setting: Setting
    cold: bool
    work: Work

    @property
    def name(self) -> str:
        """What it is called where all tasks of a thread setting are told apart."""
        return f"{self.span}, {self.setting}, {'cold' if self.cold else 'warm'}"


class Opened:
    """One network whose pieces are opened at one target, precision and thread setting.

    Args:
        network: Whose they are.
        engines: By piece, those of other networks too.
        runs: Their runtime.
        seed: Of the images: noise, for the time does not depend on what is seen.
    """

    def __init__(
        self, network: PoolNetwork, engines: Mapping[Span, Engine], runs: Runtime, seed: int
    ) -> None:
        self.network, self.engines, self.runs = network, engines, runs
        self.rng = np.random.default_rng(seed)
        self.images: dict[int, list[Array]] = {}

    def chain(self, spans: Sequence[Span]) -> Chain:
        """Return pieces that run one after the other, as a runner has them."""
        steps = steps_of([self.engines[span] for span in spans])
        return Chain(steps, self.network.preprocessing, self.runs.lane)

    def batches(self, batch: int) -> list[Array]:
        """Return a few batches of images as the pieces take them."""
        if batch not in self.images:
            shape = (_IMAGES, batch, *self.network.preprocessing.image_shape)
            noise = self.rng.integers(0, 256, shape, dtype=np.uint8)
            self.images[batch] = [self.network.preprocessing.as_input(one) for one in noise]
        return self.images[batch]

    def whole(self, batch: int) -> Run:
        """Return what runs the network alone on images of its own, whatever it is given."""
        run, turns = self._answering(Span(self.network.name)), cycle(self.batches(batch))
        return lambda _: run(next(turns))

    def work(self, span: Span, batch: int, between: Run | None) -> Work:
        """Return what is timed of a piece on so many samples: one call of it, as one image.

        Args:
            span: The piece.
            batch: How many samples reach it.
            between: What runs after each call of it; ``None`` = nothing, so that it stays warm.
        """
        images = self.batches(batch)
        before = [] if between is None else [between]
        if span.start is None:
            run = self._answering(span)
        else:
            inner = self._inner(span)
            inner.lead(images[0])
            # Warm is after the piece itself, whatever another task has left in the caches.
            before += [inner.lead] if between else [inner.lead, inner.run, inner.lead]
            run = inner.run

        def call(number: int) -> Call:
            return partial(run, images[number % len(images)])

        def ahead(number: int) -> Call:
            return partial(_all, before, images[number % len(images)])

        return Work(call, 1, ahead=ahead if before else None)

    def _answering(self, span: Span) -> Run:
        """Return what runs a piece that reads the image, after which everybody has left."""
        chain = self.chain([span])
        gates = sum(step.has_gate for step in chain.steps)
        thresholds = forcing((gates, self.network.classes), 1)
        return lambda images: chain.answer(images, thresholds, 1, None)

    def _inner(self, span: Span) -> _Inner:
        lead = Span(self.network.name, None, span.start, self.network.heads[0])
        steps = steps_of([self.engines[lead], self.engines[span]])
        return _Inner(
            lambda room: self.runs.lane(steps, self.network.preprocessing, room),
            forcing((sum(step.has_gate for step in steps), self.network.classes), 2),
        )


class _Inner:
    """A piece behind another that leads up to it, in one lane."""

    def __init__(self, make: Callable[[int], Lane], thresholds: Array) -> None:
        self.make, self.thresholds = make, thresholds
        self.lane: Lane | None = None

    def lead(self, images: Array) -> None:
        """Run what leads up to the piece, after which nobody has left."""
        if self.lane is None or self.lane.room < len(images):
            self.lane = self.make(len(images))
            self.lane.use(self.thresholds)
        self.batch = Batch(len(images), None)
        self.lane.start(images)
        self.batch.let_out(self.lane.run(0), 1)

    def run(self, images: Array) -> object:
        """Run the piece on what `lead` has made of the images, after which everybody has left."""
        assert self.lane is not None
        self.batch.let_out(self.lane.run(1), 2)
        return self.batch.result


def _all(runs: Sequence[Run], images: Array) -> None:
    for run in runs:
        run(images)


def _wholes(tasks: Mapping[int, Mapping[str, _Task]]) -> list[Call]:
    """Return a call of every network run whole, which stands for its pieces."""
    every = (one for mine in tasks.values() for one in mine.values())
    return [one.work.call(0) for one in every if one.span.is_whole and not one.cold]


def _rows(tasks: Mapping[str, _Task], blocks: Blocks) -> Iterator[CostRow]:
    found = {(t.span, t.setting, t.cold): blocks.interval(name) for name, t in tasks.items()}
    for (span, setting, cold), warm_ms in found.items():
        if not cold:
            cold_ms = found[span, setting, True]
            yield CostRow(span, setting, warm_ms, cold_ms)


def _usable(pool: Pool, plan: CostPlan) -> tuple[list[tuple[str, str]], list[LeftOut]]:
    """Return the builds that are asked for and work here, and what was said of each other."""
    asked = [
        (target, precision)
        for target, precision in pool.builds()
        if plan.target in (None, target) and plan.precision in (None, precision)
    ]
    if not asked:
        raise InputError(
            f"{pool.folder} holds no such pieces",
            got=" ".join(word for word in (plan.target, plan.precision) if word),
            expected=", ".join(" ".join(build) for build in pool.builds()),
        )
    usable, left_out, problems = [], [], []
    for target, precision in asked:
        try:
            runtime(target).require()
            usable.append((target, precision))
        except (InputError, RuntimeUnavailableError) as problem:
            problems.append(problem)
            left_out.append(LeftOut(target, precision, str(problem)))
    if not usable:
        raise problems[0]
    return usable, left_out


def _at(threads: int, name: str) -> str:
    return f"threads {threads}: {name}"
