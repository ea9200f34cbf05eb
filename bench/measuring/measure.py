"""The whole measurement of one bundle on one device: from test images to a `Report`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from functools import partial
from importlib import metadata
from pathlib import Path
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.measuring.alternatives import Contender, Rules, decided, of_rival, of_subject
from calexnet.bench.measuring.conditions import Watch
from calexnet.bench.measuring.energy.section import EnergySection
from calexnet.bench.measuring.findings import Findings, Found, latency_row
from calexnet.bench.measuring.journal import Journal
from calexnet.bench.measuring.memory import memory_rows
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.rivals import Rival, open_rivals
from calexnet.bench.measuring.schedule import LEAST_BLOCKS, Outlook, Schedule, schedule
from calexnet.bench.measuring.settling import settle
from calexnet.bench.measuring.subject import Images, Load, Subject, Timing
from calexnet.bench.measuring.timing import Block, Method, Stopwatch, WallClock, Work, interleave
from calexnet.bench.model import percentiles, validity
from calexnet.bench.model.blocks import told_apart
from calexnet.bench.model.settings import flips
from calexnet.bench.report import document, times
from calexnet.bench.report.counts import count_rows
from calexnet.bench.report.decision import Alternative
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison
from calexnet.bench.report.memory import NETWORKS, MemoryRow
from calexnet.bench.report.settled import Settled
from calexnet.bench.report.task import Setting, Task
from calexnet.bench.report.validity import Validity
from calexnet.bundle import Bundle, open_bundle
from calexnet.data.dataset import Dataset
from calexnet.data.groups import group_names
from calexnet.data.split import recorded_test_part
from calexnet.devices import limits
from calexnet.devices.base import Device, DeviceState
from calexnet.devices.pacing import RealTime, Time
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.manifest import SEGMENTS, Compiled
from calexnet.progress import Progress, track
from calexnet.runtimes.loading import load_runner, require_build, runtime_packages
from calexnet.runtimes.runner import Runner

#: By how much a run may be late, of other work on the machine, before it ends with fewer blocks.
_LATE = 1.2
#: What a process takes to start and to import a runtime.
_CHILD_S = 1.0


def measure(
    folder: Path,
    data: Dataset,
    device: Device,
    plan: BenchPlan,
    *,
    journal: Path | None = None,
    stopwatch: Stopwatch | None = None,
    load: Load | None = None,
    time: Time | None = None,
) -> Report:
    """Return the report on the bundle in `folder`, measured on the test part of `data`.

    Args:
        folder: The bundle.
        data: Labelled images.
        device: To look at.
        plan: What to measure.
        journal: Keeps what was measured, should the run be cut short; the same run then goes on
            from there.
        stopwatch: What times a call; by default the time that passes for the caller.
        load: Returns the runner of a build on so many threads; by default the runtime's own.
        time: By which calls arrive and energy is sampled; the machine's own by default.

    Raises:
        BundleError: The bundle is damaged.
        InputError: The data are not those of the recorded split, or do not fit the cascade; or the
            bundle holds no cascade.
        RuntimeUnavailableError: No runtime of the bundle works here.
    """
    bundle = open_bundle(folder)
    _refuse_one_network(bundle)
    load = load or partial(_load, bundle, plan)
    method = Method(plan.blocks, plan.seed, stopwatch or WallClock(), plan.load, time or RealTime())
    return _Benchmark(bundle, data, device, plan, load, method).report(journal)


def _refuse_one_network(bundle: Bundle) -> None:
    if not bundle.manifest.branches:
        cut = bundle.manifest.cut
        raise InputError(
            f"{bundle.folder} holds no cascade to hold against its backbone",
            got="a network alone" if cut is None else f"the network cut after {cut.after.attach}",
            expected="a bundle with branches",
            fix=f"Measure it beside the cascade: calexnet-bench BUNDLE --rival {bundle.folder}",
        )


def _load(bundle: Bundle, plan: BenchPlan, build: Compiled, threads: int) -> Runner:
    return load_runner(
        bundle,
        build.target,
        build.precision,
        layout=build.layout,
        provider=plan.provider,
        threads=threads,
        operating_point=plan.operating_point,
    )


class _Benchmark:
    """One run: every subject and every rival, in the same interleaved blocks."""

    def __init__(
        self,
        bundle: Bundle,
        data: Dataset,
        device: Device,
        plan: BenchPlan,
        load: Load,
        method: Method,
    ) -> None:
        self.bundle, self.device, self.plan = bundle, device, plan
        self.method = method
        self.started, self.start_s = datetime.now(timezone.utc), monotonic()
        self.record = device.describe()
        self.data = data
        self.samples = self._test_samples()
        self.builds, self.left_out = _usable_builds(bundle, plan)
        self.test = self._test_images()
        self.subjects = [Subject(bundle, build, self.test, plan, load) for build in self.builds]
        self.threads = sorted({1, *plan.threads})
        self.tasks: dict[int, dict[str, Task]] = {}
        content = bundle.manifest
        self.rivals = {
            threads: open_rivals(plan.rivals, content.preprocessing, content.classes, threads)
            for threads in self.threads
        }

    def report(self, journal: Path | None) -> Report:
        """Measure everything and return it; what stands once is about the first subject."""
        for subject in self.subjects:
            subject.answer()
        watch = Watch(self.device)
        kept = Journal.open(journal, self._identity())
        watch.remember(kept.looks)
        timings = self._timings(kept, watch)
        found = [Findings(subject).found(timings) for subject in self.subjects]
        rng = np.random.default_rng(self.plan.seed)
        energy = [
            subject.energy(self.device, timings, rng, self.method.time) for subject in self.subjects
        ]
        after = self.device.state()
        contenders = [*self._contenders()]
        judged = validity.judge(
            watch.found(self.record.state, after),
            {threads: timing.blocks for threads, timing in timings.items()},
            deciding=[one.task for one in contenders],
            tasks=self.tasks,
            allowed=self.plan.allow_unstable,
        )
        return self._written(found, energy, timings, contenders, judged, after, kept.resumed)

    # What is timed.

    def _timings(self, journal: Journal, watch: Watch) -> dict[int, Timing]:
        work = {threads: self._work(threads) for threads in self.threads}
        planned = journal.schedule or self._schedule(work)
        if journal.schedule is None:
            journal.begin(planned)
        self.method = replace(self.method, blocks=planned.blocks)
        self.settled = self._settle()
        return {
            threads: self._timing(threads, mine, planned, journal, watch)
            for threads, mine in work.items()
        }

    def _settle(self) -> Settled | None:
        if self.plan.settle_s == 0:
            return None
        typical = self.subjects[0].typical()
        return settle(typical, self.device, self.method.time, self.plan.settle_s)

    def _schedule(self, work: Mapping[int, Mapping[str, Work]]) -> Schedule:
        """Return how often everything is called, and say how long all of it takes."""
        so_far = monotonic()
        every = {_in_group(t, name): one for t, mine in work.items() for name, one in mine.items()}
        once_s = {
            name: every[name].once_s(self.method)
            for name in track(every, "finding out how fast each task is", len(every))
        }
        left = self.plan.seconds - (monotonic() - so_far)
        found = schedule(once_s, left, self.plan.blocks)
        extra = sum(
            once_s[name] * sum(1 for _ in one.new_shapes(found.calls[name] * found.blocks))
            for name, one in every.items()
        )
        found = schedule(once_s, max(left - extra, left / 2), self.plan.blocks)
        outlook = Outlook(
            so_far=monotonic() - self.start_s,
            settling=self.plan.settle_s,
            timing=found.seconds + extra,
            energy=sum(s.energy_s(self.device) for s in self.subjects),
            memory=self._memory_s(),
            asked=self.plan.seconds,
            blocks=found.blocks,
            asked_blocks=self.plan.blocks,
        )
        print(f"calexnet-bench: {outlook.words()}", file=sys.stderr)
        return found

    def _memory_s(self) -> float:
        """Return how long the processes that measure memory take, by what loading took here."""
        if not self._measures_memory():
            return 0.0
        return sum(len(NETWORKS) * (_CHILD_S + s.loading_s) for s in self.subjects)

    def _work(self, threads: int) -> dict[str, Work]:
        asked = threads in self.plan.threads
        batches = self.plan.grid if asked else (1,)
        found = [subject.work(threads, batches) for subject in self.subjects]
        found += [
            {_rival_task(rival, batch, threads): self._rival_work(rival, batch)}
            for rival in self.rivals[threads]
            for batch in (self.plan.batches if asked else (1,))
            if rival.takes(batch)
        ]
        self.tasks[threads] = {task.key: task for one in found for task in one}
        return {task.key: work for one in found for task, work in one.items()}

    def _rival_work(self, rival: Rival, batch: int) -> Work:
        return Work(lambda number: partial(rival.plain, self.test.batch(number, batch)), batch)

    def _timing(
        self,
        threads: int,
        work: Mapping[str, Work],
        planned: Schedule,
        journal: Journal,
        watch: Watch,
    ) -> Timing:
        group = _group(threads)
        known = journal.blocks(group)
        blocks = self.method.blocks
        names = {name: _in_group(threads, name) for name in work}
        tasks = {
            name: one.task(
                planned.calls[names[name]], blocks, led=planned.led.get(names[name], True)
            )
            for name, one in work.items()
        }
        with Progress(f"{group}, {len(tasks)} tasks, blocks", blocks) as progress:
            progress.advance(len(known))

            def after_block(block: Block) -> None:
                journal.add(group, block, watch.look())
                progress.advance()

            allowed = _LATE * sum(planned.task_s[_in_group(threads, name)] for name in work)
            until = self.method.time.now() + allowed

            def enough(blocks: int) -> bool:
                return blocks >= LEAST_BLOCKS and self.method.time.now() > until

            spent = interleave(
                tasks, self.method, known=known, after_block=after_block, enough=enough
            )
        series = {name: one.ms() for name, one in spent.items()}
        return Timing(told_apart(series, self.plan.seed), spent, self.tasks[threads])

    # What it comes to.

    def _written(
        self,
        found: Sequence[Found],
        energy: Sequence[EnergySection],
        timings: Mapping[int, Timing],
        contenders: Sequence[Contender],
        judged: Validity,
        after: DeviceState,
        resumed: int,
    ) -> Report:
        first = found[0]
        blocks = timings[1].blocks
        rules = Rules(
            self.plan.max_drop,
            self.subjects[0].marks,
            limits.features(self.device.system),
        )
        alternatives, decision = decided(contenders, blocks, rules)
        energy_rows = tuple(row for one in energy for row in one.rows)
        amortisation = tuple(row for one in found for row in one.amortisation)
        crossover = tuple(row for one in found for row in one.crossover)
        points = tuple(
            replace(row, keeps=_keeps(row, alternatives, self.plan.max_drop))
            for one in found
            for row in one.operating_points
        )
        layouts = tuple(row for one in found for row in one.layouts)
        foretold = [
            row
            for subject, one in zip(self.subjects, energy, strict=True)
            for row in Findings(subject).foretold(timings, _gross(one))
        ]
        return Report(
            schema=document.SCHEMA,
            validity=judged,
            decision=decision,
            bundle=self._bundle_record(),
            data=self._data_record(),
            device=self.record,
            accuracy=first.accuracy,
            alternatives=alternatives,
            rivals=tuple(rival.record for rival in self.rivals[1]),
            amortisation=amortisation,
            crossover=crossover,
            flips=flips(crossover),
            latency=(
                *(row for one in found for row in one.latency),
                *self._rival_latency(timings),
            ),
            operating_points=points,
            exits=tuple(row for one in found for row in one.exits),
            worst=tuple(row for one in found for row in one.worst),
            foretold=tuple(foretold),
            segments=tuple(row for one in found for row in one.segments),
            gathers=tuple(row for one in found for row in one.gathers),
            flops=first.flops,
            energy=energy_rows,
            provenance=self._provenance(energy[0].kinds(), len(blocks.pace), resumed),
            samples=self._sample_rows(timings),
            exit_energy=tuple(row for one in energy for row in one.exits),
            energy_crossover=tuple(
                row
                for subject, one in zip(self.subjects, energy, strict=True)
                for row in Findings(subject).energy_crossover(timings, one)
            ),
            energy_method=energy[0].method,
            device_after=after,
            counts=count_rows(self.bundle.manifest, self.builds),
            memory=self._memory(),
            layouts=layouts,
            settled=self.settled,
            left_out=tuple(self.left_out),
        )

    def _memory(self) -> tuple[MemoryRow, ...]:
        if not self._measures_memory():
            return ()
        return memory_rows(self.bundle.folder, self.builds, max(self.plan.batches), 1)

    def _measures_memory(self) -> bool:
        return self.plan.memory and self.plan.provider is None  # a GPU's own is not seen

    def _contenders(self) -> Iterator[Contender]:
        for subject in self.subjects:
            yield from of_subject(subject)
        for rival in self.rivals[1]:
            if rival.takes(1):
                yield of_rival(rival, self.test, _rival_at(rival, 1))

    def _rival_latency(self, timings: Mapping[int, Timing]) -> Iterator[times.LatencyRow]:
        for rival, batch, threads, timing, name in self._rival_cells(timings):
            calls = [seconds * 1e3 for seconds in timing.spent[name].call_s]
            found = percentiles.mixture(
                [percentiles.Stratum(1.0, calls)],
                len(self.test.truth),
                timing.blocks.pace,
                self.plan.seed,
            )
            record = rival.record
            yield latency_row(
                found, record.target, record.precision or "", rival.name, batch, threads
            )

    def _sample_rows(self, timings: Mapping[int, Timing]) -> tuple[times.SampleRow, ...]:
        mine = [row for subject in self.subjects for row in Findings(subject).samples(timings)]
        theirs = [
            times.SampleRow(
                target=rival.record.target,
                precision=rival.record.precision or "",
                network=rival.name,
                batch=batch,
                threads=threads,
                ms=tuple(float(ms) for ms in timing.spent[name].ms()),
            )
            for rival, batch, threads, timing, name in self._rival_cells(timings)
        ]
        return (*mine, *theirs)

    def _rival_cells(
        self, timings: Mapping[int, Timing]
    ) -> Iterator[tuple[Rival, int, int, Timing, str]]:
        for threads, timing in timings.items():
            for rival in self.rivals[threads]:
                for batch in self.plan.batches:
                    name = _rival_at(rival, batch)
                    if name in timing.spent:
                        yield rival, batch, threads, timing, name

    # What it was measured on.

    def _test_samples(self) -> NDArray[np.intp]:
        content = self.bundle.manifest
        self.data.check_fits(content.preprocessing.image_shape, content.classes)
        if self.plan.all_samples:
            return np.arange(len(self.data))
        return recorded_test_part(self.data, self.bundle.manifest.split)

    def _test_images(self) -> Images:
        raw = self.data.images[self.samples]
        preprocessing = self.bundle.manifest.preprocessing
        images = raw if preprocessing.input == "uint8" else preprocessing.normalise(raw)
        order = np.random.default_rng(self.plan.seed).permutation(len(images))
        return Images(images, self.data.labels[self.samples], order, self._groups())

    def _groups(self) -> tuple[str, ...] | None:
        """Return the group of each test image, where the recorded split says there are any."""
        group = self.bundle.manifest.split.group
        if group is None:
            return None
        names = group_names(self.data, group)
        return tuple(names[row] for row in self.samples)

    # What it was.

    def _identity(self) -> dict[str, object]:
        """Return what must be the same for a run that was cut short to be gone on with."""
        plan = self.plan
        return {
            "schema": document.SCHEMA,
            "bundle": self.bundle.sha256,
            "data": [self.data.name, len(self.samples), plan.all_samples, self.test.sha256()],
            "device": [self.record.name, self.record.model, self.record.cores],
            "subjects": [subject.prefix.strip() for subject in self.subjects],
            "rivals": [rival.record.sha256 for rival in self.rivals[1]],
            "plan": [
                plan.batches,
                plan.threads,
                plan.blocks,
                plan.seconds,
                plan.operating_point,
                str(plan.load),
                plan.seed,
                plan.provider,
                self.method.stopwatch.name,
            ],
            "versions": versions("calexnet", "numpy", *self._packages()),
        }

    def _bundle_record(self) -> document.BundleRecord:
        content = self.bundle.manifest
        return document.BundleRecord(
            path=str(self.bundle.folder),
            sha256=self.bundle.sha256,
            backbone=content.backbone,
            attach=tuple(branch.attach for branch in content.branches),
            head=content.branches[0].head,
            operating_point=self.subjects[0].point.name,
            method=content.method.name,
            builds=tuple(
                document.BuildRecord(one.target, one.precision, one.layout)
                for one in content.compiled
            ),
        )

    def _data_record(self) -> document.DataRecord:
        part = "all" if self.plan.all_samples else "test"
        digest = self.bundle.manifest.split.parts["test"].sha256
        return document.DataRecord(
            source=self.data.name,
            part=part,
            samples=len(self.samples),
            sha256=None if self.plan.all_samples else digest,
            group=self.bundle.manifest.split.group,
            groups=None if self.test.groups is None else len(set(self.test.groups)),
        )

    def _provenance(
        self, kinds: Mapping[str, str], blocks: int, resumed: int
    ) -> document.Provenance:
        tree = self.device.system.tree
        return document.Provenance(
            versions=versions("calexnet", "numpy", *self._packages()),
            command=self.plan.command,
            started=self.started.isoformat(timespec="seconds"),
            seconds=round(monotonic() - self.start_s, 1),
            blocks=blocks,
            clock=self.method.stopwatch.name,
            providers={s.prefix.strip(): s.runner.provider for s in self.subjects},
            load=str(self.plan.load),
            seed=self.plan.seed,
            kinds={
                "amortisation.predicted_cascade_ms": "predicted",
                "crossover.break_even_exit_rate": "predicted",
                "foretold": "predicted",
                "flops": "counted",
                **kinds,
                "everything else": "measured",
            },
            resumed=resumed,
            tree=None if tree is None else document.StandIn(tree.origin, tree.board),
        )

    def _packages(self) -> list[str]:
        return [name for s in self.subjects for name in runtime_packages(s.runner.compiled.target)]


def unasked(bundle: Bundle) -> Iterator[Compiled]:
    """Yield the builds that nobody exported and that run here all the same, of files that are."""
    for build in bundle.manifest.builds[len(bundle.manifest.compiled) :]:
        with suppress(RuntimeUnavailableError):
            require_build(bundle, build)
            yield build


def _usable_builds(
    bundle: Bundle, plan: BenchPlan
) -> tuple[list[Compiled], list[document.LeftOut]]:
    """Return what the plan asks for and works here, and what was said of each that does not.

    Raises:
        BundleError: The bundle holds nothing of the kind.
        RuntimeUnavailableError: Nothing of it works here.
    """
    content = bundle.manifest
    held = content.builds if plan.target else (*content.compiled, *unasked(bundle))
    asked = [
        build
        for build in held
        if build.layout == SEGMENTS
        and plan.target in (None, build.target)
        and plan.precision in (None, build.precision)
    ]
    usable, left_out, problems = [], [], []
    for build in asked:
        try:
            require_build(bundle, build)
            usable.append(build)
        except (InputError, RuntimeUnavailableError) as problem:
            problems.append(problem)
            left_out.append(document.LeftOut(build.target, build.precision, str(problem)))
    if problems and not usable:
        raise problems[0]
    if not asked:  # said as loading says it
        load_runner(bundle, plan.target, plan.precision)
    return usable, left_out


def _keeps(
    point: times.OperatingPointRow, networks: Sequence[Alternative], max_drop: float
) -> bool | None:
    """Return whether the cascade keeps the accuracy at an operating point, in segments."""
    key = point.target, point.precision, point.name
    found = [n for n in networks if (n.target, n.precision, n.operating_point) == key]
    return found[-1].keeps(max_drop)  # the one in one file comes before


def _group(threads: int) -> str:
    return f"{threads} thread" + "s" * (threads > 1)


def _in_group(threads: int, name: str) -> str:
    return f"{_group(threads)}: {name}"


def _rival_task(rival: Rival, batch: int, threads: int) -> Task:
    record = rival.record
    setting = Setting(record.target, record.precision or "", batch, threads)
    return Task(setting, "rival", name=rival.name)


def _rival_at(rival: Rival, batch: int) -> str:
    return _rival_task(rival, batch, 1).key


def _gross(energy: EnergySection) -> dict[tuple[int, int], EnergyComparison]:
    """Return all that plain and cascade used, by threads and batch, where it was measured."""
    return {(row.threads, row.batch): row.gross for row in energy.rows if row.gross is not None}


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of packages by name."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "not installed as a package"
    return found
