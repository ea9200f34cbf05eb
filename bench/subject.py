"""One subject of a report, a target at a precision: what is timed of it, and what comes of it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calexnet.bench import latency, prediction, results, statistics, time_records
from calexnet.bench.blocks import Blocks
from calexnet.bench.energy_records import EnergyComparison, EnergyCrossoverRow
from calexnet.bench.energy_rows import (
    EnergyCell,
    EnergyExits,
    EnergySection,
    energy_ratio,
    foretold_energy,
    measure_energy,
)
from calexnet.bench.energy_rows import Subject as Names
from calexnet.bench.plan import BenchPlan
from calexnet.bench.prediction import Grid, cascade_at, half_at, halved, path_at, plain_at
from calexnet.bench.timing import Call, Spent, Work
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint
from calexnet.devices.base import Device
from calexnet.devices.pacing import Time
from calexnet.gating import ExitTable, choose_exits, chosen_labels, exit_rates, forcing
from calexnet.manifest import IF, Compiled
from calexnet.progress import track
from calexnet.runtimes.base import Array
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
    """

    images: Array
    truth: NDArray[np.int64]
    order: NDArray[np.intp]

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
    """All that was timed on one thread setting."""

    blocks: Blocks
    spent: Mapping[str, Spent]


@dataclass(frozen=True)
class Exits:
    """What an operating point does on the test images."""

    taken: NDArray[np.int32]
    rates: tuple[float, ...]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class Found:
    """All rows about one subject."""

    accuracy: results.Accuracy
    amortisation: list[time_records.AmortisationRow]
    crossover: list[time_records.CrossoverRow]
    latency: list[time_records.LatencyRow]
    operating_points: list[time_records.OperatingPointRow]
    exits: list[time_records.ExitRow]
    worst: list[time_records.WorstRow]
    segments: list[time_records.SegmentRow]
    layouts: list[time_records.LayoutRow]
    gathers: list[time_records.GatherRow]
    flops: results.Flops


class Subject:
    """A target at a precision.

    Attributes:
        names: Of target and precision, as rows begin.
        prefix: Of its tasks' names.
        point: The operating point that tables are about.
        points: All of them.
    """

    def __init__(
        self, bundle: Bundle, build: Compiled, test: Images, plan: BenchPlan, load: Load
    ) -> None:
        self.macs, self.test, self.plan = bundle.manifest.macs, test, plan
        self.prefix = f"{build.target} {build.precision} "
        self.runners = {threads: load(build, threads) for threads in {1, *plan.threads}}
        self.runner = self.runners[1]
        chosen = "" if plan.provider is None else f" ({self.runner.provider})"
        self.names: Names = {"target": build.target + chosen, "precision": build.precision}
        beside = _one_file(bundle, build)
        self.one_file = {} if beside is None else {t: load(beside, t) for t in self.runners}
        self.point = bundle.manifest.operating_point(plan.operating_point, build)
        self.points = bundle.manifest.points_of(build)

    # What it answers.

    def answer(self) -> None:
        """Ask every exit and plain about every test image."""
        starts = range(0, len(self.test.images), _ANSWER_BATCH)
        tables, labels = [], []
        for start in track(starts, f"{self.prefix}answering the test part, batches", len(starts)):
            some = self.test.images[start : start + _ANSWER_BATCH]
            tables.append(self.runner.ask_every_exit(some))
            labels.append(self.runner.plain(some).labels)
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

    def work(self, threads: int, batches: Sequence[int]) -> dict[str, Work]:
        """Return what is timed on one thread setting, by name."""
        runner = self.runners[threads]
        found: dict[str, Work] = {}
        for batch in batches:
            found[plain_at(batch)] = self._walk(runner.plain, batch)
            found[cascade_at(batch)] = self._mixed(runner, batch)
            for number in range(1, len(self.exits.rates) + 1):
                found[path_at(number, batch)] = self._path(runner, number, batch)
        for number in range(1, len(self.exits.rates)):
            half = self._half(runner, number, halved(batches))
            if half is not None:
                found[half_at(number, half.images)] = half
        if threads in self.one_file:
            found[ONE_FILE] = self._walk(self.one_file[threads], 1)
            for number in range(1, len(self.exits.rates) + 1):
                found[_one_file_at(number)] = self._path(self.one_file[threads], number, 1)
        if threads == 1:
            for point in self.points:
                if point.name != self.point.name:  # that one is the cascade itself
                    chosen = runner.with_thresholds(point.table())
                    found[self.timed_as(point)] = self._walk(chosen, 1)
        return {self.prefix + name: work for name, work in found.items()}

    def _walk(self, run: Callable[[Array], object], batch: int) -> Work:
        return Work(lambda number: partial(run, self.test.batch(number, batch)), batch)

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
        rows = np.flatnonzero(self.exits.taken == number)
        if len(rows) == 0:
            rows = self.test.order
            runner = runner.with_thresholds(forcing(runner.thresholds.shape, number))

        def call(turn: int) -> Call:
            return partial(runner, self.test.of(rows, turn, batch))

        # As in an app, images of other exits come in between: what they leave in the processor's
        # caches is part of what each costs.
        return Work(call, batch, group=f"{self.prefix}exits@{batch}")

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
        runner, leaves = runner.with_thresholds(table), scores >= threshold
        sides = np.flatnonzero(leaves), np.flatnonzero(~leaves)
        longest = max(map(len, sides))
        rows = np.stack([np.resize(side, longest) for side in sides], axis=1).ravel()

        def call(turn: int) -> Call:
            return partial(runner, self.test.of(rows, turn, batch))

        return Work(call, batch, group=f"{self.prefix}exits@{batch}")

    # What comes of it.

    def found(self, timings: Mapping[int, Timing]) -> Found:
        """Return the rows that all that was timed comes to."""
        points = [self._point_row(point, timings[1].blocks) for point in self.points]
        cells = [(threads, batch) for threads in self.plan.threads for batch in self.plan.batches]
        grids = {threads: self.grid(threads, timing) for threads, timing in timings.items()}
        return Found(
            accuracy=self._accuracy(),
            amortisation=[self._amortisation(grids[t], t, batch) for t, batch in cells],
            crossover=[self._crossover(grids[t], t, batch) for t, batch in cells],
            latency=[row for t, b in cells for row in self._latency(timings[t], t, b)],
            operating_points=points,
            exits=[self._exit_row(n, timings[1]) for n in range(1, len(self.exits.rates) + 1)],
            worst=[self._worst(grids[t], t, batch) for t, batch in cells],
            segments=[row for t in self.plan.threads for row in self._segments(grids[t], t)],
            layouts=[row for t, timing in timings.items() for row in self._layouts(timing, t)],
            gathers=[row for t in self.plan.threads for row in self._gathers(grids[t], t)],
            flops=self._flops(points),
        )

    def grid(self, threads: int, timing: Timing) -> Grid:
        """Return what predictions on one thread setting are made of."""
        batches = self.plan.grid if threads in self.plan.threads else (1,)
        return Grid(timing.blocks, self.prefix, batches, self.exits.rates)

    def _accuracy(self) -> results.Accuracy:
        truth = self.test.truth
        plain_right, ours_right = self.plain_labels == truth, self.exits.labels == truth
        change = statistics.paired_change(plain_right, ours_right)
        return results.Accuracy(
            **self.names,
            samples=len(truth),
            plain=float(plain_right.mean()),
            cascade=float(ours_right.mean()),
            change=change.value,
            change_low=change.low,
            change_high=change.high,
            plain_right_only=int((plain_right & ~ours_right).sum()),
            cascade_right_only=int((~plain_right & ours_right).sum()),
        )

    def _amortisation(self, grid: Grid, threads: int, batch: int) -> time_records.AmortisationRow:
        blocks = grid.blocks
        cost = self._compared(blocks, batch)
        plain = blocks.interval(self.prefix + plain_at(batch))
        cascade = blocks.interval(self.prefix + cascade_at(batch))
        error = grid.over(cascade_at(batch), batch)
        return time_records.AmortisationRow(
            **self.names,
            batch=batch,
            threads=threads,
            plain_ms=cost.plain,
            plain_low=plain.low,
            plain_high=plain.high,
            cascade_ms=cost.ours,
            cascade_low=cascade.low,
            cascade_high=cascade.high,
            ratio=cost.ratio.value,
            ratio_low=cost.ratio.low,
            ratio_high=cost.ratio.high,
            predicted_cascade_ms=cost.ours * error.value,
            # If the prediction is off by more than this, it is not for noise.
            prediction_low=cost.ours * (1 - (error.value - error.low)),
            prediction_high=cost.ours * (1 + (error.high - error.value)),
        )

    def _crossover(self, grid: Grid, threads: int, batch: int) -> time_records.CrossoverRow:
        rate, low, high = grid.break_even(batch)
        return time_records.CrossoverRow(
            **self.names,
            batch=batch,
            threads=threads,
            break_even_exit_rate=rate,
            break_even_low=low,
            break_even_high=high,
            observed_exit_rate=float(sum(self.exits.rates[:-1])),
            verdict=self._compared(grid.blocks, batch).verdict,
        )

    def _compared(self, blocks: Blocks, batch: int) -> statistics.Comparison:
        return blocks.compare(self.prefix + plain_at(batch), self.prefix + cascade_at(batch))

    def _latency(self, timing: Timing, threads: int, batch: int) -> list[time_records.LatencyRow]:
        """Return plain's and the cascade's; single images recombined from the exits they take."""
        names = {"plain": plain_at(batch), "cascade": cascade_at(batch)}
        strata = {name: [self._stratum(timing, at, 1.0)] for name, at in names.items()}
        if batch == 1:
            strata["cascade"] = [
                self._stratum(timing, path_at(number, 1), share)
                for number, share in enumerate(self.exits.rates, start=1)
            ]
            if self.one_file:
                strata["one file"] = [self._stratum(timing, ONE_FILE, 1.0)]
        return [
            latency_row(
                latency.mixture(parts, len(self.test.truth), timing.blocks.pace, self.plan.seed),
                self.names["target"],
                self.names["precision"],
                name,
                batch,
                threads,
            )
            for name, parts in strata.items()
        ]

    def _stratum(self, timing: Timing, name: str, share: float) -> latency.Stratum:
        return latency.Stratum(share, [s * 1e3 for s in timing.spent[self.prefix + name].call_s])

    def _worst(self, grid: Grid, threads: int, batch: int) -> time_records.WorstRow:
        ratio = grid.worst(batch)
        return time_records.WorstRow(
            **self.names,
            batch=batch,
            threads=threads,
            ms=grid.blocks.ms(self.prefix + path_at(len(self.exits.rates), batch)),
            ratio=ratio.value,
            ratio_low=ratio.low,
            ratio_high=ratio.high,
        )

    def _segments(self, grid: Grid, threads: int) -> list[time_records.SegmentRow]:
        own = np.array(grid.segments())
        rows = []
        for place, batch in enumerate(grid.batches):
            plain = grid.blocks.interval(self.prefix + plain_at(batch))
            ends = [(plain.value, plain.low, plain.high), *own[:, :, place].T]
            rows += [
                time_records.SegmentRow(
                    **self.names,
                    segment=segment,
                    batch=batch,
                    threads=threads,
                    ms=float(ms),
                    low=float(low),
                    high=float(high),
                )
                for segment, (ms, low, high) in enumerate(ends)
            ]
        return rows

    def _gathers(self, grid: Grid, threads: int) -> list[time_records.GatherRow]:
        """Return what gathering costs; nothing where only single images were timed."""
        batch = halved(grid.batches)
        return [
            time_records.GatherRow(
                **self.names,
                segment=segment,
                batch=batch,
                threads=threads,
                ms=found.value,
                low=found.low,
                high=found.high,
                counted=prediction.is_told(found),
            )
            for segment, found in enumerate(grid.gathers, start=1)
            if self.prefix + half_at(segment - 1, batch) in grid.blocks.names
        ]

    def _layouts(self, timing: Timing, threads: int) -> list[time_records.LayoutRow]:
        """Return one graph against segments, all images and exit by exit."""
        if threads not in self.one_file:
            return []
        exits = range(1, len(self.exits.rates) + 1)
        pairs: list[tuple[int | None, str, str]] = [(None, cascade_at(1), ONE_FILE)]
        pairs += [(number, path_at(number, 1), _one_file_at(number)) for number in exits]
        found = []
        for number, segments, one_file in pairs:
            cost = timing.blocks.compare(self.prefix + segments, self.prefix + one_file)
            found.append(
                time_records.LayoutRow(
                    **self.names,
                    threads=threads,
                    exit=number,
                    segments_ms=cost.plain,
                    one_file_ms=cost.ours,
                    ratio=cost.ratio.value,
                    ratio_low=cost.ratio.low,
                    ratio_high=cost.ratio.high,
                )
            )
        return found

    def foretold(
        self,
        timings: Mapping[int, Timing],
        energy: Mapping[tuple[int, int], EnergyComparison],
    ) -> list[time_records.ForetoldRow]:
        """Return what images would cost at other exit rates.

        Args:
            timings: By threads.
            energy: All that plain and cascade were measured to use, by threads and batch.
        """
        return [
            self._foretold(
                self.grid(threads, timings[threads]),
                threads,
                batch,
                early,
                energy.get((threads, batch)),
            )
            for threads in self.plan.threads
            for batch in self.plan.batches
            for early in prediction.EARLY
        ]

    def _foretold(
        self,
        grid: Grid,
        threads: int,
        batch: int,
        early: float,
        energy: EnergyComparison | None,
    ) -> time_records.ForetoldRow:
        rates = prediction.profile(early, self.exits.rates)
        found = grid.foretold(batch, rates)
        running_on = grid.foretold(batch, rates, compacted=False)
        ratio = grid.over(plain_at(batch), batch, rates)
        return time_records.ForetoldRow(
            **self.names,
            batch=batch,
            threads=threads,
            early=early,
            ms=found.value,
            low=found.low,
            high=found.high,
            running_on_ms=running_on.value,
            running_on_low=running_on.low,
            running_on_high=running_on.high,
            ratio=ratio.value,
            ratio_low=ratio.low,
            ratio_high=ratio.high,
            **foretold_energy(energy, grid.over(cascade_at(batch), batch, rates)),
        )

    def energy_crossover(
        self, timings: Mapping[int, Timing], section: EnergySection
    ) -> list[EnergyCrossoverRow]:
        """Return where the cascade starts to save energy, at every setting that was measured.

        From the exits' own joules where they were measured, single images on one thread; else from
        the time that is foretold, by the power that the cascade drew.
        """
        known = {(row.threads, row.batch): row for row in section.crossover}
        found = []
        for row in section.rows:
            if row.gross is None:
                continue
            ratio = energy_ratio(row.gross)
            if (row.threads, row.batch) in known:
                found.append(known[row.threads, row.batch])
            elif ratio is not None:
                grid = self.grid(row.threads, timings[row.threads])
                rate, low, high = grid.break_even(row.batch, ratio)
                found.append(
                    EnergyCrossoverRow(
                        **self.names,
                        batch=row.batch,
                        threads=row.threads,
                        break_even_exit_rate=rate,
                        break_even_low=low,
                        break_even_high=high,
                        observed_exit_rate=float(sum(self.exits.rates[:-1])),
                        recombined_j=None,
                        cascade_j=row.gross.cascade.joules,
                    )
                )
        return found

    def _point_row(self, point: OperatingPoint, blocks: Blocks) -> time_records.OperatingPointRow:
        exits = self.at(point)
        right = exits.labels == self.test.truth
        accuracy = statistics.share(int(right.sum()), len(right))
        change = statistics.paired_change(self.plain_labels == self.test.truth, right)
        cost = blocks.compare(self.prefix + plain_at(1), self.prefix + self.timed_as(point))
        return time_records.OperatingPointRow(
            **self.names,
            name=point.name,
            setting=point.setting,
            default=point.name == self.point.name,
            accuracy=accuracy.value,
            accuracy_low=accuracy.low,
            accuracy_high=accuracy.high,
            change=change.value,
            change_low=change.low,
            change_high=change.high,
            exit_rates=exits.rates,
            macs=self.macs.expected(exits.rates),
            macs_own_head=self.macs.expected(exits.rates, own_head_only=True),
            macs_ratio=self.macs.expected(exits.rates) / self.macs.plain,
            batch=1,
            threads=1,
            plain_ms=cost.plain,
            ms=cost.ours,
            ratio=cost.ratio.value,
            ratio_low=cost.ratio.low,
            ratio_high=cost.ratio.high,
            verdict=cost.verdict,
        )

    def _exit_row(self, number: int, timing: Timing) -> time_records.ExitRow:
        leaving = self.exits.taken == number
        right = self.exits.labels[leaving] == self.test.truth[leaving]
        name = self.prefix + path_at(number, 1)
        usual = timing.blocks.interval(name)
        return time_records.ExitRow(
            **self.names,
            exit=number,
            rate=self.exits.rates[number - 1],
            accuracy=float(right.mean()) if len(right) else None,
            latency_ms=usual.value,
            latency_low=usual.low,
            latency_high=usual.high,
            quantiles_ms=latency.quantiles([s * 1e3 for s in timing.spent[name].call_s]),
            forced=len(right) == 0,
        )

    def _flops(self, points: Sequence[time_records.OperatingPointRow]) -> results.Flops:
        default = next(point for point in points if point.default)
        cascade = self.macs.expected(self.exits.rates)
        return results.Flops(
            macs=self.macs,
            plain=2.0 * self.macs.plain,
            cascade=2.0 * cascade,
            cascade_own_head=2.0 * self.macs.expected(self.exits.rates, own_head_only=True),
            saved=1.0 - cascade / self.macs.plain,
            time_saved=1.0 - default.ratio,
        )

    # What it uses.

    def samples(self, timings: Mapping[int, Timing]) -> list[time_records.SampleRow]:
        """Return everything that was timed, as the clock showed it."""
        return [
            time_records.SampleRow(
                **self.names,
                network=network,
                batch=int(batch),
                threads=threads,
                ms=tuple(float(ms) for ms in spent.ms()),
            )
            for threads, timing in timings.items()
            for name, spent in timing.spent.items()
            if name.startswith(self.prefix)
            for network, _, batch in [name[len(self.prefix) :].rpartition("@")]
        ]

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
            cpu_tdp_w=self.plan.cpu_tdp_w,
            time=time,
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


def latency_row(
    found: latency.Latency, target: str, precision: str, network: str, batch: int, threads: int
) -> time_records.LatencyRow:
    """Return a report's row of a latency."""
    percentiles = {f"p{percent}_ms": interval for percent, interval in found.percentiles.items()}
    return time_records.LatencyRow(
        target=target,
        precision=precision,
        network=network,
        batch=batch,
        threads=threads,
        calls=found.calls,
        mean_ms=found.mean,
        **percentiles,
    )


def _one_file_at(number: int) -> str:
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
    for other in bundle.manifest.compiled:
        if (other.target, other.precision, other.layout) == (build.target, build.precision, IF):
            return other
    return None
