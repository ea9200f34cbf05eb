"""The best few of the search, built and measured beside plain, on calibration images.

Images decide how many leave early, so they decide times; those of the test part are not looked at
before the order of its tests is fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.model.blocks import Blocks, told_apart
from calexnet.bench.report.decision import Alternative
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from calexnet.choosing import limits
from calexnet.choosing.choice import Figure, Limit, Objective
from calexnet.choosing.costs import Cost, expected
from calexnet.choosing.limits import Cell
from calexnet.choosing.pool import Chain, ExitPool
from calexnet.choosing.search import Aim, Found, alone, ladder
from calexnet.data.dataset import Dataset
from calexnet.devices.base import Device
from calexnet.errors import MeasurementError
from calexnet.manifest import FULL

#: Shares of what may be lost that operating points are made for.
BUDGETS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Finalist:
    """A chain as a bundle.

    Attributes:
        rungs: By operating point, the strictest first; without gates one alone.
        folder: Of the bundle.
    """

    rungs: Mapping[str, Found]
    folder: Path

    @property
    def chain(self) -> Chain:
        """Its exits."""
        return next(iter(self.rungs.values())).chain


@dataclass(frozen=True)
class Measured:
    """One build of a finalist, at one operating point.

    Attributes:
        finalist: What it is of.
        found: What the search saw.
        predicted: Mean cost of an image at its precision.
        target: What runs it.
        precision: Of its numbers.
        point: Its operating point; ``None`` without gates.
        ms: Mean of an image; ``None`` if it was not measured.
        ratio: `ms` over that of the reference at full precision, from the same blocks; likewise.
        objective: What is made small: `ratio`, or joules or MACs of an image.
        figures: What limits ask about.
        fallen: Claims about times that do not stand.
    """

    finalist: Finalist
    found: Found
    predicted: float
    target: str
    precision: str
    point: str | None
    ms: float | None
    ratio: Interval | None
    objective: float
    figures: tuple[Figure, ...]
    fallen: tuple[str, ...]

    @property
    def chain(self) -> Chain:
        """Its exits."""
        return self.found.chain

    @property
    def keeps_limits(self) -> bool:
        """Whether every limit is kept for sure."""
        return all(figure.kept for figure in self.figures)


@dataclass(frozen=True)
class How:
    """How finalists are measured.

    Attributes:
        data: Calibration images.
        device: This machine.
        seconds: For each that is timed.
        objective: What is made small.
        limits: What has to be kept.
        costs: By precision, what a chain costs.
    """

    data: Dataset
    device: Device
    seconds: float
    objective: Objective
    limits: tuple[Limit, ...]
    costs: Mapping[str, Cost]

    def predicted(self, found: Found, precision: str) -> float:
        """Return what a chain costs at a precision, as often as images leave it."""
        cost = self.costs.get(precision, self.costs[FULL])
        return expected(found.chain, cost, found.rates)

    @property
    def every_point(self) -> bool:
        """Whether figures are asked for that a report has of one operating point alone."""
        return bool(self.limits) or self.objective == "joules"

    def plan(self, point: str | None, rivals: tuple[Path, ...]) -> BenchPlan:
        """Return what to measure."""
        metrics = {limit.metric for limit in self.limits}
        energy = self.objective == "joules" or "mj" in metrics
        return BenchPlan(
            batches=(1,),
            threads=(1,),
            seconds=self.seconds,
            all_samples=True,
            operating_point=point,
            rivals=rivals,
            memory="peak_mib" in metrics,
            allow_unstable=True,
            energy=EnergyPlan() if energy else EnergyPlan(windows=0),
        )


def rungs(pool: ExitPool, chain: Chain, cost: Cost, aim: Aim) -> dict[str, Found]:
    """Return a chain's operating points, the strictest first: ``sure``, ``drop-0.5``, ``drop-1``.

    Each is the cheapest rung whose estimated drop keeps a budget, which names it in points; and
    the cheapest that is nearly always certified, for the cheapest of many looks better than it is,
    and where the first test fails nothing is shipped.
    """
    if len(chain) == 1:
        return {"": alone(pool, chain, cost)}
    steps, found = ladder(pool, chain, cost), dict[str, Found]()
    fitting = {"sure": [one for one in steps if aim.sure(one.counts)]} | {
        f"drop-{100 * share * aim.max_drop:g}": [
            one for one in steps if one.counts.drop <= share * aim.max_drop
        ]
        for share in BUDGETS
    }
    for name, fits in fitting.items():
        best = min(fits, key=lambda one: one.cost, default=None)
        if best is not None and best not in found.values():
            found[name] = best
    strictest_first = sorted(found.items(), key=lambda item: -item[1].cost)
    return dict(strictest_first) or {"drop-least": min(steps, key=lambda one: one.counts.drop)}


def typical(finalist: Finalist, aim: Aim) -> str:
    """Return the operating point that is likeliest to be shipped: the cheapest that may pass."""
    hits = [name for name, one in finalist.rungs.items() if aim.hit(one.counts)]
    return [*list(finalist.rungs)[:1], *hits][-1]


def measured(entries: Entries, plain: Found, aim: Aim, how: How) -> list[Measured]:
    """Return every build of every finalist, measured; plain at every precision comes first.

    Each cascade is the subject of a run of its own, in the same blocks as the reference; networks
    without gates are rivals in the first. Ratios to the reference join the runs.

    Args:
        entries: What to measure.
        plain: The reference, as the search saw it.
        aim: What is looked for.
        how: How to measure.

    Raises:
        MeasurementError: The objective cannot be measured here.
    """
    found: list[Measured] = []
    for number, one in enumerate(entries.cascades):
        points = list(one.rungs) if how.every_point else [typical(one, aim)]
        for turn, point in enumerate(points):
            beside = entries.beside(one, everybody=not number and not turn)
            folders = tuple(other.folder for other in beside)
            report = measure(one.folder, how.data, how.device, how.plan(point, folders))
            found += _Reading(report, one, beside, plain, how).rows(alone=not found)
    return found


@dataclass(frozen=True)
class Entries:
    """What is measured together.

    Attributes:
        cascades: With gates.
        others: Without: the network cut short, other networks.
        reference: A bundle of its own for the network that accuracy is held against; ``None`` if
            every cascade ends in it.
    """

    cascades: tuple[Finalist, ...]
    others: tuple[Finalist, ...]
    reference: Finalist | None

    def beside(self, one: Finalist, *, everybody: bool) -> tuple[Finalist, ...]:
        """Return what runs as a rival of a cascade."""
        needed = self.reference is not None and one.chain[-1:] != self.reference.chain
        first = (self.reference,) if needed and self.reference is not None else ()
        return (*first, *(self.others if everybody else ()))


def _series(target: str, precision: str, network: str) -> str:
    return f"{target} {precision} {network}"


@dataclass(frozen=True)
class _Reading:
    """What one report says of finalists."""

    report: Report
    subject: Finalist
    beside: tuple[Finalist, ...]
    plain: Found
    how: How

    def rows(self, *, alone: bool) -> Iterator[Measured]:
        """Yield what was measured, of the subject's own plain only if that is asked for."""
        rivals = {f"{other.folder.name} plain": other for other in self.beside}
        for one in self.report.alternatives:
            if one.kind == "plain" and alone and self._own:
                yield self._row(one, self.subject, self.plain, "plain")
            elif one.kind == "cascade" and self._is_asked(one):
                found = self.subject.rungs[one.operating_point or ""]
                yield self._row(one, self.subject, found, "cascade")
            elif one.name in rivals and (alone or rivals[one.name].chain != self.plain.chain):
                other = rivals[one.name]
                yield self._row(one, other, next(iter(other.rungs.values())), one.name)

    def _is_asked(self, one: Alternative) -> bool:
        default = self.report.bundle.operating_point
        return not self.how.every_point or one.operating_point == default

    @property
    def _own(self) -> bool:
        """Whether the subject ends in the network that accuracy is held against."""
        return self.subject.chain[-1:] == self.plain.chain

    @property
    def _reference(self) -> str:
        """The series of that network at full precision."""
        if self._own:
            first = self.report.alternatives[0]
            return _series(first.target, first.precision, "plain")
        beside = self.beside[0].folder.name
        return next(name for name in self._blocks.names if name.endswith(f" {beside} plain"))

    @cached_property
    def _blocks(self) -> Blocks:
        """Every series of single images on one thread, told apart from the machine's pace."""
        rows = [row for row in self.report.samples if (row.batch, row.threads) == (1, 1)]
        return told_apart(
            {_series(row.target, row.precision, row.network): np.array(row.ms) for row in rows}
        )

    def _row(self, one: Alternative, whose: Finalist, found: Found, network: str) -> Measured:
        precision, default = one.precision or FULL, self.report.bundle.operating_point
        other = network == "cascade" and one.operating_point != default
        series = _series(
            one.target, one.precision, f"point {one.operating_point}" if other else network
        )
        ratio = self._blocks.ratio(self._reference, series)
        cell = Cell(self.report, whose.folder, one.target, precision, network, one.ms)
        return Measured(
            finalist=whose,
            found=found,
            predicted=self.how.predicted(found, precision),
            target=one.target,
            precision=precision,
            point=one.operating_point,
            ms=one.ms,
            ratio=ratio,
            objective=ratio.value if self.how.objective == "ms" else self._counted(cell, found),
            figures=tuple(limits.figure(limit, cell) for limit in self.how.limits),
            fallen=self.report.validity.fallen,
        )

    def _counted(self, cell: Cell, found: Found) -> float:
        """Return the MACs or the joules of an image."""
        if self.how.objective == "macs":
            return found.cost
        value = limits.LIMITS["mj"].figure(cell, {}).value
        if value is None:
            raise MeasurementError(
                "joules cannot be measured here",
                got="no sensor that can be read",
                fix="calexnet doctor says what to do; or --minimise ms",
            )
        return value / 1e3
