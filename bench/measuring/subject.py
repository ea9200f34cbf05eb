"""One subject of a report, a target at a precision: what it answers, and what is timed of it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.measuring.energy.section import (
    EnergyCell,
    EnergyExits,
    EnergySection,
    duration_s,
    measure_energy,
)
from calexnet.bench.measuring.energy.section import Subject as Names
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.timing import Call, Spent, Work
from calexnet.bench.model.accuracy import Marks
from calexnet.bench.model.blocks import Blocks
from calexnet.bench.model.prediction import (
    cascade_at,
    halved,
    plain_at,
)
from calexnet.bench.report import task as timed
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint
from calexnet.devices.base import Device
from calexnet.devices.pacing import Time
from calexnet.gating import ExitTable, choose_exits, chosen_labels, exit_rates, forcing, passes
from calexnet.manifest import IF, Compiled
from calexnet.progress import track
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.runner import Runner

#: Returns the runner of a build on so many threads.
Load = Callable[[Compiled, int], Runner]

#: Name of the cascade as one graph, layout `if`, on single images.
ONE_FILE = "one file@1"

_ANSWER_BATCH = 64
#: Images that are made ready for one window of energy, at most.
_WINDOW_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Images:
    """The test part, and the order in which it is walked through.

    Attributes:
        images: As the cascade takes them.
        truth: int64 ``(n,)``.
        order: A permutation.
        groups: The group of each; ``None`` = each by itself.
    """

    images: Array
    truth: NDArray[np.int64]
    order: NDArray[np.intp]
    groups: tuple[str, ...] | None = None

    def sha256(self) -> str:
        """Return a digest of the images and their labels."""
        digest = hashlib.sha256(str((self.images.dtype, self.images.shape)).encode())
        for array in (self.images, self.truth):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def batch(self, number: int, size: int) -> Array:
        """Return the batch of this number; plain and cascade get the same ones, in mixed order."""
        return self.of(self.order, number, size)

    def of(self, rows: NDArray[np.intp], number: int, size: int) -> Array:
        """Return the batch of this number of the images at `rows`, which are walked in turn."""
        chosen = rows[np.arange(number * size, (number + 1) * size) % len(rows)]
        return np.ascontiguousarray(self.images[chosen])


@dataclass(frozen=True)
class Timing:
    """All that was timed on one thread setting, and what it was, by its key."""

    blocks: Blocks
    spent: Mapping[str, Spent]
    tasks: Mapping[str, timed.Task]


@dataclass(frozen=True)
class Exits:
    """What an operating point does on the test images."""

    taken: NDArray[np.int32]
    rates: tuple[float, ...]
    labels: NDArray[np.int32]


class Subject:
    """A target at a precision.

    Attributes:
        names: Of target and precision, as rows begin.
        build: Target and precision as the bundle names them.
        prefix: Of its tasks' keys.
        marks: What answers are held against.
        point: The operating point that tables are about.
        points: All of them.
        plain_counts: What its plain answered otherwise than the reference on calibration samples.
        attach: Where the branches are; whole networks before the last go by their names.
        networks: How many of these are whole networks.
        cuts: The network cut after each of them, on calibration samples; ``None`` = not known.
        loading_s: That loading it took, on one thread setting.
    """

    def __init__(
        self, bundle: Bundle, build: Compiled, test: Images, plan: BenchPlan, load: Load
    ) -> None:
        self.macs, self.test, self.plan = bundle.manifest.macs, test, plan
        self.marks = Marks(test.truth, bundle.manifest.classes, test.groups)
        self.build = build.target, build.precision
        self.prefix = f"{build.target} {build.precision} "
        begun = monotonic()
        self.runners = {threads: load(build, threads) for threads in {1, *plan.threads}}
        self.runner = self.runners[1]
        self.loading_s = (monotonic() - begun) / len(self.runners)
        chosen = "" if plan.provider is None else f" ({self.runner.provider})"
        self.names: Names = {"target": build.target + chosen, "precision": build.precision}
        beside = _one_file(bundle, build)
        self.one_file = {} if beside is None else {t: load(beside, t) for t in self.runners}
        self.point = bundle.manifest.operating_point(plan.operating_point, build)
        self.points = bundle.manifest.points_of(build)
        self.plain_counts = bundle.manifest.plain_counts_of(build)
        self.attach = [branch.attach for branch in bundle.manifest.branches]
        self.networks = bundle.manifest.networks
        self.cuts = bundle.manifest.cuts_of(build)

    # What it answers.

    def answer(self) -> None:
        """Ask every exit and plain about every test image, on as many threads as are timed."""
        runner = self.runners[max(self.runners)]
        starts = range(0, len(self.test.images), _ANSWER_BATCH)
        tables, labels = [], []
        for start in track(starts, f"{self.prefix}answering the images, batches", len(starts)):
            some = self.test.images[start : start + _ANSWER_BATCH]
            tables.append(runner.ask_every_exit(some))
            labels.append(runner.plain(some).labels)
        self.table = ExitTable(
            np.concatenate([table.labels for table in tables], axis=1),
            np.concatenate([table.scores for table in tables], axis=1),
        )
        self.plain_labels = np.concatenate(labels)
        self.exits = self.at(self.point)

    def at(self, point: OperatingPoint) -> Exits:
        """Return what an operating point does."""
        taken = choose_exits(self.table, point.table())
        rates = tuple(float(rate) for rate in exit_rates(taken, len(self.table.labels)))
        return Exits(taken, rates, chosen_labels(self.table, taken))

    # What is timed of it.

    def timed_as(self, point: OperatingPoint) -> str:
        """Return the name of the cascade at an operating point, on single images."""
        return cascade_at(1) if point.name == self.point.name else f"point {point.name}@1"

    def work(self, threads: int, batches: Sequence[int]) -> dict[timed.Task, Work]:
        """Return what is timed on one thread setting."""
        runner = self.runners[threads]
        found: dict[timed.Task, Work] = {}

        def of(network: timed.Network, batch: int = 1, exit: int | None = None) -> timed.Task:
            return timed.Task(timed.Setting(*self.build, batch, threads), network, exit)

        for batch in batches:
            found[of("plain", batch)] = self._walk(runner.plain, batch)
            found[of("cascade", batch)] = self._mixed(runner, batch)
            for number in range(1, len(self.exits.rates) + 1):
                found[of("cascade", batch, number)] = self._path(runner, number, batch)
        for number in range(1, len(self.exits.rates)):
            half = self._half(runner, number, halved(batches))
            if half is not None:
                found[replace(of("cascade", half.images, number), half=True)] = half
        if threads in self.one_file:
            found[of("one file")] = self._walk(self.one_file[threads], 1)
            for number in range(1, len(self.exits.rates) + 1):
                whole = self._path(self.one_file[threads], number, 1)
                found[of("one file", 1, number)] = replace(
                    whole, group=f"{self.prefix}one file exits"
                )
        if threads == 1:
            for point in self.points:
                if point.name != self.point.name:  # that one is the cascade itself
                    chosen = runner.with_thresholds(point.table())
                    found[replace(of("cascade"), name=point.name)] = self._walk(chosen, 1)
            for number in range(1, len(self.attach) + 1):
                found[of("cut", 1, number)] = self._walk(self._cut(runner, number), 1)
        return found

    def typical(self) -> Call:
        """Return a call of plain on a single image."""
        return partial(self.runner.plain, self.test.batch(0, 1))

    def _walk(self, run: Callable[[Array], object], batch: int) -> Work:
        return Work(lambda number: partial(run, self.test.batch(number, batch)), batch)

    def _cut(self, runner: Runner, number: int) -> Runner:
        """Return the network cut after a stage: every image leaves there."""
        return runner.with_thresholds(forcing(runner.thresholds.shape, number))

    def _mixed(self, runner: Runner, batch: int) -> Work:
        """Return calls of the cascade in the images' own order, with the survivors of each."""
        taken = self.exits.taken[self.test.order]

        def shapes(number: int) -> frozenset[object]:
            places = np.arange(number * batch, (number + 1) * batch) % len(taken)
            left = [int((taken[places] > k).sum()) for k in range(len(self.exits.rates))]
            gathered = [after < before for before, after in itertools.pairwise(left)]
            return frozenset((k, rows, *gathered[:k]) for k, rows in enumerate(left) if rows > 0)

        return replace(self._walk(runner, batch), shapes=shapes)

    def _path(self, runner: Runner, number: int, batch: int) -> Work:
        """Return calls on images that leave at exit `number`, by themselves or else forced."""
        app, rows = runner, np.flatnonzero(self.exits.taken == number)
        if len(rows) == 0:
            rows = self.test.order
            runner = self._cut(runner, number)

        def call(turn: int) -> Call:
            return partial(runner, self.test.of(rows, turn, batch))

        # As in an app, images of other exits come in between: what they leave in the processor's
        # caches is part of what each costs. Single images follow those of the app's own order; a
        # batch has several exits within it, which calls of all exits by turns come nearest to.
        ahead = self._walk(app, batch).call if batch == 1 else None
        return Work(call, batch, group=f"{self.prefix}exits@{batch}", ahead=ahead)

    def _half(self, runner: Runner, number: int, batch: int) -> Work | None:
        """Return calls on batches of which half leaves at exit `number`, and half at the next one.

        ``None`` for single images, and where all images score alike.
        """
        scores = self.table.scores[number - 1]
        threshold = middle(scores)
        if batch == 1 or threshold is None:
            return None
        table = forcing(runner.thresholds.shape, number + 1)
        table[number - 1] = threshold
        leaves = passes(self.table.labels[number - 1], scores, table[number - 1])
        runner = runner.with_thresholds(table)
        sides = np.flatnonzero(leaves), np.flatnonzero(~leaves)
        longest = max(map(len, sides))
        rows = np.stack([np.resize(side, longest) for side in sides], axis=1).ravel()

        def call(turn: int) -> Call:
            return partial(runner, self.test.of(rows, turn, batch))

        return Work(call, batch, group=f"{self.prefix}exits@{batch}")

    # What it uses.

    def energy(
        self, device: Device, timings: Mapping[int, Timing], rng: np.random.Generator, time: Time
    ) -> EnergySection:
        """Measure the energy of what was timed, in windows of their own."""
        calls = self._calls_a_window(1)
        paths = [
            self._path(self.runner, number, 1) for number in range(1, len(self.exits.rates) + 1)
        ]
        return measure_energy(
            device,
            self.plan.energy,
            [
                self._energy_cell(timings[threads], threads, batch)
                for threads in self.plan.threads
                for batch in self.plan.batches
            ],
            EnergyExits(self.exits.rates, tuple(path.task(calls) for path in paths)),
            subject=self.names,
            rng=rng,
            power_csv=self.plan.power_csv,
            power_volts=self.plan.power_volts,
            cpu_tdp_w=self.plan.cpu_tdp_w,
            time=time,
        )

    def energy_s(self, device: Device) -> float:
        """Return how long measuring the energy takes."""
        cells = len(self.plan.threads) * len(self.plan.batches)
        return duration_s(
            device, self.plan.energy, 2 * cells + len(self.exits.rates), self.plan.power_csv
        )

    def _energy_cell(self, timing: Timing, threads: int, batch: int) -> EnergyCell:
        runner, calls = self.runners[threads], self._calls_a_window(batch)
        return EnergyCell(
            batch,
            threads,
            self._walk(runner.plain, batch).task(calls),
            self._walk(runner, batch).task(calls),
            timing.spent[self.prefix + plain_at(batch)].mean_cpu_s(),
            timing.spent[self.prefix + cascade_at(batch)].mean_cpu_s(),
        )

    def _calls_a_window(self, batch: int) -> int:
        """Return how many different calls a window repeats: the whole test part, if it fits."""
        images = self.test.images
        batch_bytes = batch * int(images[0].nbytes)
        return max(1, min(-(-len(images) // batch), _WINDOW_BYTES // batch_bytes))


def one_file_at(number: int) -> str:
    """Return the name of single images that leave at exit `number` of one file."""
    return f"one file exit{number}@1"


def middle(scores: NDArray[np.float32]) -> float | None:
    """Return a threshold that about half of `scores` reach, None if none tells any apart."""
    rising = np.unique(scores[np.isfinite(scores)])
    if len(rising) < 2:
        return None
    place = int(np.searchsorted(rising, np.median(scores[np.isfinite(scores)])))
    place = min(max(place, 1), len(rising) - 1)
    # Midway between two scores, so that a last-bit difference does not decide.
    between = np.float32((float(rising[place - 1]) + float(rising[place])) / 2)
    return float(between if between > rising[place - 1] else rising[place])


def _one_file(bundle: Bundle, build: Compiled) -> Compiled | None:
    """Return the same cascade in layout `if`, where the bundle holds it."""
    for other in bundle.manifest.builds:
        if (other.target, other.precision, other.layout) == (build.target, build.precision, IF):
            return other
    return None
