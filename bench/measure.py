"""The whole measurement of one bundle on one device: from test images to a `Report`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet.bench import conclusions, results, statistics
from calexnet.bench.counts import count_rows
from calexnet.bench.energy import EnergyPlan
from calexnet.bench.energy_rows import (
    EnergyCell,
    EnergyExits,
    EnergySection,
    Subject,
    measure_energy,
)
from calexnet.bench.energy_tables import energy_sentences
from calexnet.bench.results import Report
from calexnet.bench.timing import Call, Spent, Task, interleave
from calexnet.bundle import Bundle, open_bundle
from calexnet.calibration import OperatingPoint
from calexnet.costs import SegmentTimes, break_even_exit_rate, expected_call_ms
from calexnet.data.dataset import Dataset
from calexnet.data.split import recorded_test_part
from calexnet.devices.base import Device, DeviceState, slowed_down
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.gating import ExitTable, choose_exits, chosen_labels, exit_rates, forcing
from calexnet.manifest import SEGMENTS, Compiled
from calexnet.progress import Progress, track
from calexnet.runtimes.base import Array
from calexnet.runtimes.loading import load_runner, runtime, runtime_packages
from calexnet.runtimes.runner import Runner

_ANSWER_BATCH = 64
#: Images that are made ready for one window of energy, at most.
_WINDOW_BYTES = 64 * 2**20


@dataclass(frozen=True)
class BenchPlan:
    """What to measure.

    Attributes:
        batches: Batch sizes for the tables.
        threads: Thread settings.
        blocks: Interleaved blocks a cell.
        cell_s: Rough seconds to spend on plain and cascade in a cell.
        all_samples: Measure on every sample; the user vouches that none was trained on.
        target: ``None`` = all that work here.
        precision: ``None`` = all.
        operating_point: ``None`` = the bundle's default.
        seed: Of the order of images and blocks.
        command: For the record.
        energy: How energy is measured.
        power_csv: An external meter's log to measure it with.
        cpu_tdp_w: The processor's rated power, for an estimate beside.
    """

    batches: tuple[int, ...]
    threads: tuple[int, ...]
    blocks: int = 20
    cell_s: float = 1.0
    all_samples: bool = False
    target: str | None = None
    precision: str | None = None
    operating_point: str | None = None
    seed: int = 0
    command: str = ""
    energy: EnergyPlan = field(default_factory=EnergyPlan)
    power_csv: Path | None = None
    cpu_tdp_w: float | None = None

    def __post_init__(self) -> None:
        """Check that there is something to measure.

        Raises:
            InputError: There is not.
        """
        for name, sizes in (("batches", self.batches), ("threads", self.threads)):
            if min(sizes, default=0) < 1:
                raise InputError(f"{name} cannot be used", got=sizes, expected="numbers from 1 up")
        if self.blocks < 1:
            raise InputError("blocks cannot be used", got=self.blocks, expected="at least 1")
        if not 0 < self.cell_s < np.inf:
            raise InputError("cell seconds cannot be used", got=self.cell_s, expected="over 0")
        if self.seed < 0:
            raise InputError("the seed cannot be used", got=self.seed, expected="at least 0")
        if self.energy.windows < 0:
            raise InputError("energy windows cannot be used", got=self.energy.windows)
        if not 0 < self.energy.window_s < np.inf:
            raise InputError(
                "energy seconds cannot be used", got=self.energy.window_s, expected="over 0"
            )
        if self.cpu_tdp_w is not None and not 0 < self.cpu_tdp_w < np.inf:
            raise InputError("the rated power cannot be used", got=self.cpu_tdp_w, expected="watts")


def measure(folder: Path, data: Dataset, device: Device, plan: BenchPlan) -> Report:
    """Return the report on the bundle in `folder`, measured on the test part of `data`.

    Raises:
        BundleError: The bundle is damaged.
        InputError: The data are not those of the recorded split, or do not fit the cascade.
        RuntimeUnavailableError: No runtime of the bundle works here.
    """
    return _Benchmark(open_bundle(folder), data, device, plan).report()


@dataclass(frozen=True)
class _Exits:
    """What the operating point does on the test images."""

    taken: NDArray[np.int32]
    rates: tuple[float, ...]
    labels: NDArray[np.int32]


@dataclass(frozen=True)
class _Cell:
    """All that was timed at one batch size and thread setting."""

    threads: int
    batch: int
    spent: dict[str, Spent]
    comparison: statistics.Comparison


@dataclass(frozen=True)
class _Found:
    """All rows about one subject, and its times on single images for a comparison with others."""

    accuracy: results.Accuracy
    amortisation: list[results.AmortisationRow]
    crossover: list[results.CrossoverRow]
    operating_points: list[results.OperatingPointRow]
    exits: list[results.ExitRow]
    segments: tuple[results.SegmentRow, ...]
    flops: results.Flops
    plain_spent: Spent
    cascade_spent: Spent


@dataclass(frozen=True)
class _Shared:
    """What every subject is measured with: the same images in the same order, the same dice."""

    bundle: Bundle
    device: Device
    plan: BenchPlan
    truth: NDArray[np.int64]
    images: Array
    order: NDArray[np.intp]
    rng: np.random.Generator


class _Benchmark:
    """One run: every subject, that is target and precision, in the same interleaved blocks."""

    def __init__(self, bundle: Bundle, data: Dataset, device: Device, plan: BenchPlan) -> None:
        self.bundle, self.device, self.plan = bundle, device, plan
        self.started, self.start_s = datetime.now(timezone.utc), time.monotonic()
        self.record = device.describe()
        self.data = data
        self.samples = self._test_samples()
        builds, self.left_out = _usable_builds(bundle, plan)
        images = self._inputs()
        rng = np.random.default_rng(plan.seed)
        order = rng.permutation(len(images))
        truth = data.labels[self.samples]
        shared = _Shared(bundle, device, plan, truth, images, order, rng)
        self.sessions = [_Session(shared, build) for build in builds]

    def report(self) -> Report:
        """Measure everything and return it; what stands once is about the first subject."""
        for session in self.sessions:
            session.answer()
        for threads, batch in product(self.plan.threads, self._grid()):
            label = f"batch {batch}, {threads} thread{'s' * (threads > 1)}, blocks"
            tasks = [session.cell_tasks(threads, batch) for session in self.sessions]
            for session, spent in zip(self.sessions, self._together(label, tasks), strict=True):
                session.add_cell(threads, batch, spent)
        at_points = self._together(
            "operating points, blocks", [session.point_tasks() for session in self.sessions]
        )
        at_exits = self._together(
            "exits, blocks", [session.exit_tasks() for session in self.sessions]
        )
        found = [
            s.found(*both) for s, *both in zip(self.sessions, at_points, at_exits, strict=True)
        ]
        first = found[0]
        energy = [session.energy() for session in self.sessions]
        energy_rows = tuple(row for one in energy for row in one.rows)
        after = self.device.state()
        amortisation = tuple(row for one in found for row in one.amortisation)
        crossover = tuple(row for one in found for row in one.crossover)
        points = tuple(row for one in found for row in one.operating_points)
        alternatives = _alternatives(found, self.plan.seed)
        return Report(
            schema=results.SCHEMA,
            headline=(
                *conclusions.headline(amortisation, crossover, points, first.accuracy),
                *conclusions.alternative_sentences(alternatives),
                *energy_sentences(energy_rows),
            ),
            bundle=self._bundle_record(),
            data=self._data_record(),
            device=self.record,
            accuracy=first.accuracy,
            amortisation=amortisation,
            crossover=crossover,
            flips=conclusions.flips(crossover),
            operating_points=points,
            exits=tuple(row for one in found for row in one.exits),
            segments=tuple(row for one in found for row in one.segments),
            flops=first.flops,
            energy=energy_rows,
            alternatives=alternatives,
            provenance=self._provenance(after, energy[0].kinds()),
            exit_energy=tuple(row for one in energy for row in one.exits),
            energy_crossover=tuple(row for one in energy for row in one.crossover),
            energy_method=energy[0].method,
            device_after=after,
            counts=count_rows(self.bundle.manifest, [s.runner.compiled for s in self.sessions]),
        )

    def _together(self, label: str, tasks: Sequence[Mapping[str, Task]]) -> list[dict[str, Spent]]:
        """Run the tasks of all subjects in the same blocks; return what each subject's spent."""
        all_tasks = {
            f"{subject}/{name}": task
            for subject, mine in enumerate(tasks)
            for name, task in mine.items()
        }
        with Progress(label, self.plan.blocks) as progress:
            spent = interleave(
                all_tasks,
                blocks=self.plan.blocks,
                rng=self.sessions[0].rng,
                after_block=progress.advance,
            )
        return [
            {name: spent[f"{subject}/{name}"] for name in mine}
            for subject, mine in enumerate(tasks)
        ]

    def _grid(self) -> list[int]:
        """Return the batch sizes to time: those asked for, and powers of two for survivors."""
        most = max(self.plan.batches)
        powers = {2**k for k in range(most.bit_length()) if 2**k <= most}
        return sorted(powers | set(self.plan.batches))

    # What is measured on.

    def _test_samples(self) -> NDArray[np.intp]:
        content = self.bundle.manifest
        self.data.check_fits(content.preprocessing.image_shape, content.classes)
        if self.plan.all_samples:
            return np.arange(len(self.data))
        return recorded_test_part(self.data, self.bundle.manifest.split)

    def _inputs(self) -> Array:
        raw = self.data.images[self.samples]
        preprocessing = self.bundle.manifest.preprocessing
        return raw if preprocessing.input == "uint8" else preprocessing.normalise(raw)

    # What it was.

    def _bundle_record(self) -> results.BundleRecord:
        content = self.bundle.manifest
        return results.BundleRecord(
            path=str(self.bundle.folder),
            sha256=self.bundle.sha256,
            backbone=content.backbone,
            attach=tuple(branch.attach for branch in content.branches),
            head=content.branches[0].head,
            operating_point=self.sessions[0].point.name,
            method=content.method.name,
        )

    def _data_record(self) -> results.DataRecord:
        part = "all" if self.plan.all_samples else "test"
        digest = self.bundle.manifest.split.parts["test"].sha256
        return results.DataRecord(
            source=self.data.name,
            part=part,
            samples=len(self.samples),
            sha256=None if self.plan.all_samples else digest,
        )

    def _provenance(self, after: DeviceState, kinds: dict[str, str]) -> results.Provenance:
        return results.Provenance(
            versions=_versions("calexnet", "numpy", *self._packages()),
            command=self.plan.command,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - self.start_s, 1),
            blocks=self.plan.blocks,
            seed=self.plan.seed,
            kinds={
                "amortisation.predicted_cascade_ms": "predicted",
                "crossover.break_even_exit_rate": "predicted",
                "flops": "counted",
                **kinds,
                "everything else": "measured",
            },
            notes=self._notes(after),
        )

    def _packages(self) -> list[str]:
        return [name for s in self.sessions for name in runtime_packages(s.runner.compiled.target)]

    def _notes(self, after: DeviceState) -> tuple[str, ...]:
        notes = [*self.left_out, *self.device.caveats()]
        before = self.record.state
        slow = slowed_down(before, after)
        if slow:
            notes.append(f"The device was slowed down during this run: {'; '.join(slow)}.")
        foreign = dict.fromkeys((*before.foreign, *after.foreign))
        if foreign:
            notes.append(f"Other processes used the device: {', '.join(foreign)}.")
        if before.load > 0.5 * self.record.cores:
            notes.append(
                f"The machine was busy when this started (load {before.load:.1f} on "
                f"{self.record.cores} cores): intervals may be wide."
            )
        if self.plan.all_samples:
            notes.append("Measured on all samples given, not on the recorded test part.")
        return tuple(notes)


class _Session:
    """One subject, a target at a precision: what it is asked to do, and what comes of it."""

    def __init__(self, shared: _Shared, build: Compiled) -> None:
        self.bundle, self.device, self.plan = shared.bundle, shared.device, shared.plan
        self.truth, self.images = shared.truth, shared.images
        self.order, self.rng = shared.order, shared.rng
        self.rows: Subject = {"target": build.target, "precision": build.precision}
        self.runners = {t: self._runner(build, t) for t in {1, *self.plan.threads}}
        self.runner = self.runners[1]
        self.point = self.bundle.manifest.operating_point(self.plan.operating_point, build)
        self.points = self.bundle.manifest.points_of(build)
        self.cells: list[_Cell] = []

    def answer(self) -> None:
        """Ask every exit and plain about every test image."""
        self.table, self.plain_labels = self._answers()
        self.exits = _exits(self.table, self.point)

    def found(self, at_points: Mapping[str, Spent], at_exits: Mapping[str, Spent]) -> _Found:
        """Return the rows that all that was timed comes to."""
        exits, threads = self.exits, self.plan.threads
        times = {t: _segment_times([c for c in self.cells if c.threads == t]) for t in threads}
        shown = [cell for cell in self.cells if cell.batch in self.plan.batches]
        points = self._point_rows(at_points)
        return _Found(
            accuracy=self._accuracy(self.plain_labels, exits),
            amortisation=[self._amortisation(c, times[c.threads], exits) for c in shown],
            crossover=[self._crossover(c, times[c.threads], exits) for c in shown],
            operating_points=points,
            exits=[self._exit_row(n, exits, s) for n, s in enumerate(at_exits.values(), start=1)],
            segments=self._segment_rows(self.cells),
            flops=self._flops(exits, points),
            plain_spent=at_points[""],
            cascade_spent=at_points[self.point.name],
        )

    def _runner(self, build: Compiled, threads: int) -> Runner:
        return load_runner(
            self.bundle,
            build.target,
            build.precision,
            threads=threads,
            operating_point=self.plan.operating_point,
        )

    # What it answers.

    def _answers(self) -> tuple[ExitTable, NDArray[np.int32]]:
        """Return every exit's answer and plain's labels for all test images."""
        count = len(self.images)
        starts = range(0, count, _ANSWER_BATCH)
        tables, labels = [], []
        label = f"{self.rows['target']} {self.rows['precision']}: answering the test part, batches"
        for start in track(starts, label, len(starts)):
            batch = self.images[start : start + _ANSWER_BATCH]
            tables.append(self.runner.ask_every_exit(batch))
            labels.append(self.runner.plain(batch).labels)
        return ExitTable(
            np.concatenate([t.labels for t in tables], axis=1),
            np.concatenate([t.scores for t in tables], axis=1),
        ), np.concatenate(labels)

    def _accuracy(self, plain: NDArray[np.int32], exits: _Exits) -> results.Accuracy:
        plain_right, ours_right = plain == self.truth, exits.labels == self.truth
        change = statistics.paired_change(plain_right, ours_right)
        return results.Accuracy(
            **self.rows,
            samples=len(self.truth),
            plain=float(plain_right.mean()),
            cascade=float(ours_right.mean()),
            change=change.value,
            change_low=change.low,
            change_high=change.high,
            plain_right_only=int((plain_right & ~ours_right).sum()),
            cascade_right_only=int((~plain_right & ours_right).sum()),
        )

    # What it costs.

    def cell_tasks(self, threads: int, batch: int) -> dict[str, Task]:
        """Return plain, cascade and every segment at one batch size and thread setting."""
        runner = self.runners[threads]
        calls = self._calls_per_run(runner, batch)
        tasks = {
            "plain": Task(self._batches(runner.plain, batch, calls), batch * calls),
            "cascade": Task(self._batches(runner, batch, calls), batch * calls),
        }
        sample = self._batch(0, batch)
        for number, (call, _) in enumerate(runner.trace(sample), start=1):
            repeats = max(2, calls // 2)
            tasks[f"segment{number}"] = Task(_repeated(call, repeats), batch * repeats)
        return tasks

    def add_cell(self, threads: int, batch: int, spent: dict[str, Spent]) -> None:
        """Take in what the tasks of one cell spent."""
        comparison = statistics.compare(spent["plain"].ms(), spent["cascade"].ms(), self.plan.seed)
        self.cells.append(_Cell(threads, batch, spent, comparison))

    def _calls_per_run(self, runner: Runner, batch: int) -> int:
        """Return how many calls of `batch` images make a run, from a first timing."""
        sample = self._batch(0, batch)
        runner.plain(sample)
        start = time.perf_counter()
        runner.plain(sample)
        call_s = time.perf_counter() - start
        return max(1, round(self.plan.cell_s / self.plan.blocks / (2 * call_s)))

    def _batches(
        self, run: Callable[[Array], object], batch: int, calls: int
    ) -> Callable[[int], list[Call]]:
        """Return, block by block, calls of `run` on batches that walk through the test images."""

        def of_block(block: int) -> list[Call]:
            first = block * calls
            return [partial(run, self._batch(first + i, batch)) for i in range(calls)]

        return of_block

    def _batch(self, number: int, batch: int) -> Array:
        """Return the batch of this number; plain and cascade get the same ones, in mixed order."""
        order = self.order
        rows = order[np.arange(number * batch, (number + 1) * batch) % len(order)]
        return np.ascontiguousarray(self.images[rows])

    def _amortisation(
        self, cell: _Cell, times: SegmentTimes, exits: _Exits
    ) -> results.AmortisationRow:
        comparison = cell.comparison
        return results.AmortisationRow(
            **self.rows,
            batch=cell.batch,
            threads=cell.threads,
            plain_ms=comparison.plain,
            cascade_ms=comparison.ours,
            ratio=comparison.ratio.value,
            ratio_low=comparison.ratio.low,
            ratio_high=comparison.ratio.high,
            predicted_cascade_ms=expected_call_ms(times, cell.batch, exits.rates) / cell.batch,
        )

    def _crossover(self, cell: _Cell, times: SegmentTimes, exits: _Exits) -> results.CrossoverRow:
        break_even = break_even_exit_rate(
            times,
            cell.batch,
            exits.rates,
            plain_call_ms=cell.comparison.plain * cell.batch,
            cascade_call_ms=cell.comparison.ours * cell.batch,
        )
        return results.CrossoverRow(
            **self.rows,
            batch=cell.batch,
            threads=cell.threads,
            break_even_exit_rate=break_even,
            observed_exit_rate=float(sum(exits.rates[:-1])),
            verdict=cell.comparison.verdict,
        )

    def _segment_rows(self, cells: Sequence[_Cell]) -> tuple[results.SegmentRow, ...]:
        names = ["plain", *(f"segment{k + 1}" for k in range(len(self.runner.engines)))]
        return tuple(
            results.SegmentRow(
                **self.rows,
                segment=segment,
                batch=cell.batch,
                threads=cell.threads,
                ms=float(np.median(cell.spent[name].ms())),
            )
            for cell in cells
            for segment, name in enumerate(names)
        )

    def energy(self) -> EnergySection:
        """Measure the energy of what was timed, in windows of their own."""
        cells = [cell for cell in self.cells if cell.batch in self.plan.batches]
        exits = self.exits
        calls = self._calls_a_window(1)
        return measure_energy(
            self.device,
            self.plan.energy,
            [self._energy_cell(cell) for cell in cells],
            EnergyExits(
                exits.rates,
                tuple(
                    Task(self._calls_to(number, exits, calls), calls)
                    for number in range(1, len(exits.rates) + 1)
                ),
            ),
            subject=self.rows,
            rng=self.rng,
            power_csv=self.plan.power_csv,
            cpu_tdp_w=self.plan.cpu_tdp_w,
        )

    def _energy_cell(self, cell: _Cell) -> EnergyCell:
        runner, batch = self.runners[cell.threads], cell.batch
        calls = self._calls_a_window(batch)
        return EnergyCell(
            batch,
            cell.threads,
            Task(self._batches(runner.plain, batch, calls), batch * calls),
            Task(self._batches(runner, batch, calls), batch * calls),
            cell.spent["plain"].mean_cpu_s(),
            cell.spent["cascade"].mean_cpu_s(),
        )

    def _calls_a_window(self, batch: int) -> int:
        """Return how many different calls a window repeats: the whole test part, if it fits."""
        batch_bytes = batch * int(self.images[0].nbytes)
        return max(1, min(-(-len(self.images) // batch), _WINDOW_BYTES // batch_bytes))

    # What other thresholds would do, and what each exit takes.

    def point_tasks(self) -> dict[str, Task]:
        """Return plain, under no name, and the cascade at each operating point; single images."""
        calls = self._calls_per_run(self.runner, 1)
        tasks = {"": Task(self._batches(self.runner.plain, 1, calls), calls)}
        for point in self.points:
            runner = self.runner.with_thresholds(point.table())
            tasks[point.name] = Task(self._batches(runner, 1, calls), calls)
        return tasks

    def _point_rows(self, spent: Mapping[str, Spent]) -> list[results.OperatingPointRow]:
        points = self.points
        table, plain = self.table, self.plain_labels
        return [self._point_row(p, table, plain, spent[""], spent[p.name]) for p in points]

    def _point_row(
        self,
        point: OperatingPoint,
        table: ExitTable,
        plain: NDArray[np.int32],
        plain_spent: Spent,
        spent: Spent,
    ) -> results.OperatingPointRow:
        exits = _exits(table, point)
        right = exits.labels == self.truth
        accuracy = statistics.share(int(right.sum()), len(right))
        change = statistics.paired_change(plain == self.truth, right)
        comparison = statistics.compare(plain_spent.ms(), spent.ms(), self.plan.seed)
        macs = self.bundle.manifest.macs
        return results.OperatingPointRow(
            **self.rows,
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
            macs=macs.expected(exits.rates),
            macs_own_head=macs.expected(exits.rates, own_head_only=True),
            macs_ratio=macs.expected(exits.rates) / macs.plain,
            batch=1,
            threads=1,
            plain_ms=comparison.plain,
            ms=comparison.ours,
            ratio=comparison.ratio.value,
            ratio_low=comparison.ratio.low,
            ratio_high=comparison.ratio.high,
            verdict=comparison.verdict,
        )

    def exit_tasks(self) -> dict[str, Task]:
        """Return single images that leave at each exit."""
        calls = self._calls_per_run(self.runner, 1)
        return {
            str(number): Task(self._calls_to(number, self.exits, calls), calls)
            for number in range(1, len(self.exits.rates) + 1)
        }

    def _exit_row(self, number: int, exits: _Exits, spent: Spent) -> results.ExitRow:
        leaving = exits.taken == number
        right = exits.labels[leaving] == self.truth[leaving]
        latency = statistics.typical(spent.ms(), self.plan.seed)
        return results.ExitRow(
            **self.rows,
            exit=number,
            rate=exits.rates[number - 1],
            accuracy=float(right.mean()) if len(right) else None,
            latency_ms=latency.value,
            latency_low=latency.low,
            latency_high=latency.high,
            forced=len(right) == 0,
        )

    def _calls_to(self, number: int, exits: _Exits, calls: int) -> Callable[[int], list[Call]]:
        """Return calls on single images that leave at exit `number`, by themselves or forced."""
        rows = np.flatnonzero(exits.taken == number)
        runner = self.runner
        if len(rows) == 0:
            rows = np.arange(len(self.images))
            runner = runner.with_thresholds(forcing(runner.thresholds.shape, number))

        def of_block(block: int) -> list[Call]:
            chosen = rows[np.arange(block * calls, (block + 1) * calls) % len(rows)]
            return [partial(runner, self.images[i : i + 1]) for i in chosen]

        return of_block

    def _flops(self, exits: _Exits, points: Sequence[results.OperatingPointRow]) -> results.Flops:
        macs = self.bundle.manifest.macs
        default = next(point for point in points if point.default)
        cascade = macs.expected(exits.rates)
        return results.Flops(
            macs=macs,
            plain=2.0 * macs.plain,
            cascade=2.0 * cascade,
            cascade_own_head=2.0 * macs.expected(exits.rates, own_head_only=True),
            saved=1.0 - cascade / macs.plain,
            time_saved=1.0 - default.ratio,
        )


def _usable_builds(bundle: Bundle, plan: BenchPlan) -> tuple[list[Compiled], list[str]]:
    """Return what the plan asks for and works here, and a sentence on each that does not.

    Raises:
        BundleError: The bundle holds nothing of the kind.
        RuntimeUnavailableError: Nothing of it works here.
    """
    asked = [
        build
        for build in bundle.manifest.compiled
        if build.layout == SEGMENTS
        and plan.target in (None, build.target)
        and plan.precision in (None, build.precision)
    ]
    usable, left_out, problems = [], [], []
    for build in asked:
        try:
            runtime(build.target).require()
            usable.append(build)
        except (InputError, RuntimeUnavailableError) as problem:
            problems.append(problem)
            left_out.append(f"{build.target} {build.precision} was not measured: {problem}")
    if problems and not usable:
        raise problems[0]
    if not asked:  # said as loading says it
        load_runner(bundle, plan.target, plan.precision)
    return usable, left_out


def _alternatives(found: Sequence[_Found], seed: int) -> tuple[results.Alternative, ...]:
    """Return plain and cascade of every subject against the fastest plain, timed in turns."""
    fastest = min((one.plain_spent.ms() for one in found), key=np.median)
    pairs = [
        (
            _alternative(one, "plain", one.plain_spent, fastest, seed),
            _alternative(one, "cascade", one.cascade_spent, fastest, seed),
        )
        for one in found
    ]
    return tuple(row for pair in pairs for row in pair)


def _alternative(
    found: _Found,
    network: results.Network,
    spent: Spent,
    fastest: NDArray[np.float64],
    seed: int,
) -> results.Alternative:
    accuracy = found.accuracy
    right = accuracy.plain if network == "plain" else accuracy.cascade
    share = statistics.share(round(right * accuracy.samples), accuracy.samples)
    comparison = statistics.compare(fastest, spent.ms(), seed)
    return results.Alternative(
        target=accuracy.target,
        precision=accuracy.precision,
        network=network,
        accuracy=share.value,
        accuracy_low=share.low,
        accuracy_high=share.high,
        ms=comparison.ours,
        ratio=comparison.ratio.value,
        ratio_low=comparison.ratio.low,
        ratio_high=comparison.ratio.high,
    )


def _exits(table: ExitTable, point: OperatingPoint) -> _Exits:
    taken = choose_exits(table, point.table())
    rates = tuple(float(rate) for rate in exit_rates(taken, len(table.labels)))
    return _Exits(taken, rates, chosen_labels(table, taken))


def _segment_times(cells: Sequence[_Cell]) -> SegmentTimes:
    segments = [name for name in cells[0].spent if name.startswith("segment")]
    return SegmentTimes(
        batches=tuple(cell.batch for cell in cells),
        call_ms=tuple(
            tuple(float(np.median(cell.spent[name].ms())) * cell.batch for cell in cells)
            for name in segments
        ),
    )


def _repeated(call: Call, repeats: int) -> Callable[[int], list[Call]]:
    return lambda block: [call] * repeats


def _versions(*packages: str) -> dict[str, str]:
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
