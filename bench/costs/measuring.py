"""Timing all pieces of a pool in one interleaved run; see `calexnet.bench.costs.board`.

A piece is timed where it stands in an app: behind what leads up to it, driven by the runner's own
loop. What leads up to it is called ahead and not counted. Where the caches are is part of the cost,
and depends on what ran since the piece last did; so each is timed at both ends: warm and cold.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from time import monotonic

from calexnet.bench.costs.board import SCHEMA, Board
from calexnet.bench.costs.opened import OpenedBuild, PieceTask, rows_of
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
    interleave,
)
from calexnet.bench.model import validity
from calexnet.bench.model.blocks import Blocks, told_apart
from calexnet.bench.report.document import LeftOut
from calexnet.bench.report.settled import Settled
from calexnet.devices.base import Device
from calexnet.devices.pacing import RealTime, Time
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.export.pool.document import Pool, open_pool
from calexnet.progress import Progress, track
from calexnet.runtimes.loading import runtime, runtime_packages

#: By how much a run may be late before it ends with fewer blocks.
_LATE = 1.2


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
            rows=tuple(row for t, mine in tasks.items() for row in rows_of(mine, blocks[t])),
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

    def _tasks(self, threads: int) -> Iterator[tuple[str, PieceTask]]:
        """Yield everything that is timed on one thread setting, by name."""
        for target, precision in self.builds:
            opened = OpenedBuild(self.pool, target, precision, threads, self.plan.seed)
            for task in opened.tasks(self.plan.grid):
                yield task.name, task

    def _schedule(self, tasks: Mapping[int, Mapping[str, PieceTask]]) -> Schedule:
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

    def _settle(self, tasks: Mapping[int, Mapping[str, PieceTask]]) -> Settled | None:
        if self.plan.settle_s == 0:
            return None
        work = next(one.work for mine in tasks.values() for one in mine.values())
        return settle(work.call(0), self.device, self.method.time, self.plan.settle_s)

    def _timed(
        self, threads: int, tasks: Mapping[str, PieceTask], planned: Schedule, watch: Watch
    ) -> Blocks:
        timed = {
            name: one.work.task(
                planned.calls[_at(threads, name)], led=planned.led[_at(threads, name)]
            )
            for name, one in tasks.items()
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


def _wholes(tasks: Mapping[int, Mapping[str, PieceTask]]) -> list[Call]:
    """Return a call of every network run whole, which stands for its pieces."""
    every = (one for mine in tasks.values() for one in mine.values())
    return [one.work.call(0) for one in every if one.span.is_whole and not one.cold]


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
