"""How well the costs of pieces foretell those of whole cascades: part of ``make choose-study``.

Cascades over a ResNet-18 with random weights, whose images leave at random by the shares asked for:
what is timed depends on neither. Pieces and cascades are timed in the same interleaved blocks, by
the processor-seconds of the calling thread, so that a shared machine can tell; prints the table of
docs/measuring.md.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.networks import RESNET18, Network, random_cascade
from calexnet.bench.costs.board import SCHEMA, Board, CostRow, Power
from calexnet.bench.costs.opened import Opened, OpenedBuild, rows_of
from calexnet.bench.costs.prediction import Costs
from calexnet.bench.measuring.conditions import Watch
from calexnet.bench.measuring.timing import Call, Method, Stopwatch, Task, interleave
from calexnet.bench.model import validity
from calexnet.bench.model.blocks import told_apart
from calexnet.bench.report.task import Setting
from calexnet.devices.cpu import CpuDevice
from calexnet.export.pool.document import Pool, Span
from calexnet.export.pool.pieces import Source
from calexnet.export.pool.writing import write_pool
from calexnet.gating import forcing
from calexnet.progress import Progress

TARGET, PRECISION = "onnxruntime", "fp32"
NETWORK = replace(RESNET18, attach=("layer1", "layer2.0", "layer2", "layer3.0", "layer3"))
HEAD = "prototype"
CANDIDATES, BLOCKS = 20, 12
#: Images that a cascade is given in a block, and calls of a piece.
IMAGES, CALLS = 20, 3
#: Goals, as shares of the measured time.
MEDIAN, LARGEST = 0.03, 0.10


class ThreadClock(Stopwatch):
    """Processor-seconds of the calling thread, which other processes' turns are not in."""

    name = "thread cpu"

    def seconds(self, call: Call) -> float:
        """Make the call and return how long the processor worked on it."""
        start = time.thread_time()
        answer = call()
        passed = time.thread_time() - start
        del answer
        return passed


@dataclass(frozen=True)
class Candidate:
    """A cascade, and the share of images that leave at each exit."""

    chain: tuple[Span, ...]
    rates: tuple[float, ...]

    def __str__(self) -> str:
        """Return its places and its rates."""
        places = "+".join(span.stop or "end" for span in self.chain)
        return f"{places} {'/'.join(f'{100 * rate:.0f}' for rate in self.rates)}"


@dataclass(frozen=True)
class Outcome:
    """What a candidate took an image, and what pieces foretold."""

    candidate: Candidate
    measured_ms: float
    foretold_ms: float
    warm_ms: float
    cold_ms: float

    def error(self, foretold_ms: float | None = None) -> float:
        """Return how far a prediction is off, as a share of what was measured."""
        return (foretold_ms or self.foretold_ms) / self.measured_ms - 1


def candidates(network: Network, count: int, seed: int = 0) -> list[Candidate]:
    """Return so many cascades of one to three branches; rates in steps of 5 %, none of them 0."""
    rng, found = np.random.default_rng(seed), list[Candidate]()
    for number in range(count):
        branches = min(1 + number % 3, len(network.attach))
        places = sorted(rng.choice(len(network.attach), branches, replace=False))
        cuts = sorted(rng.choice(np.arange(1, IMAGES), branches, replace=False))
        rates = np.diff([0, *cuts, IMAGES]) / IMAGES
        found.append(Candidate(chain_of(network, places), tuple(map(float, rates))))
    return found


def chain_of(network: Network, places: Sequence[int]) -> tuple[Span, ...]:
    """Return the pieces of the cascade with branches at these places, by number."""
    names = [network.attach[place] for place in places]
    starts = [None, *names]
    inner = [
        Span(network.name, start, stop, HEAD) for start, stop in zip(starts, names, strict=False)
    ]
    return (*inner, Span(network.name, starts[-1]))


def walk(opened: Opened, candidate: Candidate, blocks: int, seed: int) -> Task:
    """Return calls on images that leave by just the shares of `candidate`, in random order."""
    chain, images = opened.chain(candidate.chain), opened.batches(1)
    shape = len(candidate.chain) - 1, opened.network.classes
    tables = [forcing(shape, number + 1) for number in range(len(candidate.chain))]
    exits = np.repeat(
        np.arange(len(tables)), np.round(np.array(candidate.rates) * IMAGES).astype(int)
    )
    rng = np.random.default_rng(seed)
    order = [rng.permutation(exits) for _ in range(blocks)]

    def calls(block: int) -> list[Call]:
        turns = enumerate(order[block])
        return [
            partial(chain.answer, images[turn % len(images)], tables[number], 1, None)
            for turn, number in turns
        ]

    return Task(calls, IMAGES)


def study(pool: Pool, network: Network, found: Sequence[Candidate], blocks: int) -> list[Outcome]:
    """Return what every candidate took, beside what the pieces of `pool` foretell."""
    build = OpenedBuild(pool, TARGET, PRECISION)
    pieces = {task.name: task for task in build.tasks((1,))}
    opened = build.networks[network.name]
    tasks = {name: task.work.task(CALLS, blocks) for name, task in pieces.items()}
    tasks |= {f"cascade {n}": walk(opened, one, blocks, n) for n, one in enumerate(found)}
    device = CpuDevice()
    watch, before = Watch(device), device.state()
    with Progress(f"{len(tasks)} tasks, blocks", blocks) as progress:
        spent = interleave(
            tasks,
            Method(blocks, stopwatch=ThreadClock()),
            after_block=lambda block: progress.advance(),
        )
    timed = told_apart({name: one.ms() for name, one in spent.items()})
    judged = validity.judge(watch.found(before, device.state()), {1: timed}, allowed=True)
    print(f"other processes used {judged.conditions.foreign_share or 0:.0%} of the cores' time")
    board = Board(
        schema=SCHEMA,
        pool=pool.sha256,
        device=device.describe(),
        rows=tuple(rows_of(pieces, timed)),
        validity=judged,
        blocks={"1": blocks},
        power=Power(reason="not asked for"),
        versions={},
        command="make choose-study",
        started="",
        seconds=0.0,
        seed=0,
        clock=ThreadClock.name,
    )
    costs = Costs.of(board, pool, Setting(TARGET, PRECISION))
    return [outcome(costs, one, timed.ms(f"cascade {number}")) for number, one in enumerate(found)]


def outcome(costs: Costs, candidate: Candidate, measured_ms: float) -> Outcome:
    """Return a measured candidate beside what its pieces foretell, and what either end would."""
    warm, cold = (
        replace(costs, board=replace(costs.board, rows=tuple(map(end, costs.board.rows))))
        for end in (_all_warm, _all_cold)
    )
    return Outcome(
        candidate,
        measured_ms,
        *(one.expected_ms(candidate.chain, candidate.rates) for one in (costs, warm, cold)),
    )


def _all_warm(row: CostRow) -> CostRow:
    return replace(row, cold_ms=row.warm_ms)


def _all_cold(row: CostRow) -> CostRow:
    return replace(row, warm_ms=row.cold_ms)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the lines that are printed: every candidate, then the errors of each model."""
    lines = [f"{'cascade, % leaving':44} measured  foretold    error  all warm  all cold"]
    for one in outcomes:
        lines.append(
            f"{one.candidate!s:44} {one.measured_ms:8.3f} {one.foretold_ms:8.3f} "
            f"{one.error():+8.1%} {one.error(one.warm_ms):+9.1%} {one.error(one.cold_ms):+9.1%}"
        )
    for name, errors in summary(outcomes).items():
        worst = max(errors)
        lines.append(f"{name}: median error {np.median(errors):.1%}, largest {worst:.1%}")
    median, worst = np.median(summary(outcomes)["foretold"]), max(summary(outcomes)["foretold"])
    met = "met" if median <= MEDIAN and worst <= LARGEST else "missed"
    lines.append(f"goal: median at most {MEDIAN:.0%}, largest at most {LARGEST:.0%}: {met}")
    return "\n".join(lines)


def summary(outcomes: Sequence[Outcome]) -> Mapping[str, list[float]]:
    """Return the errors' sizes, by model."""
    return {
        "foretold": [abs(one.error()) for one in outcomes],
        "all warm": [abs(one.error(one.warm_ms)) for one in outcomes],
        "all cold": [abs(one.error(one.cold_ms)) for one in outcomes],
    }


def make_pool(network: Network, folder: Path) -> Pool:
    """Write the pool of a network with random weights."""
    cascade = random_cascade(network)
    return write_pool([Source(network.name, cascade, {HEAD: cascade})], folder)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidates", type=int, default=CANDIDATES)
    parser.add_argument("--blocks", type=int, default=BLOCKS)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        pool = make_pool(NETWORK, Path(folder) / "pool")
        found = candidates(NETWORK, arguments.candidates)
        print(table(study(pool, NETWORK, found, arguments.blocks)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
