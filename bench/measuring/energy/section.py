"""From tasks to the report's rows about energy: one recording, every figure of a section."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from calexnet.bench.measuring.energy.windows import (
    Comparison,
    EnergyPlan,
    EnergyRun,
    break_even,
    choose_source,
    estimated_j,
    expected_s,
    remedies_of,
    unmeasured,
)
from calexnet.bench.measuring.timing import Task
from calexnet.bench.model.prediction import mix_seen
from calexnet.bench.model.statistics import product
from calexnet.bench.report.energy import (
    EnergyComparison,
    EnergyCost,
    EnergyCrossoverRow,
    EnergyMethod,
    EnergyRow,
    ExitEnergyRow,
)
from calexnet.bench.report.interval import Interval
from calexnet.devices.base import Device, Probe
from calexnet.devices.energy import EnergySource
from calexnet.devices.pacing import RealTime, Time
from calexnet.devices.power_csv import PowerCsv
from calexnet.progress import Progress

_EXITS = "exits"


class Subject(TypedDict):
    """What rows are about."""

    target: str
    precision: str


@dataclass(frozen=True)
class EnergyCell:
    """Plain and cascade at one setting, with the processor-seconds that were timed there."""

    batch: int
    threads: int
    plain: Task
    cascade: Task
    plain_cpu_s: float
    cascade_cpu_s: float

    @property
    def group(self) -> str:
        """Its name among the windows."""
        return f"batch {self.batch}, threads {self.threads}"


@dataclass(frozen=True)
class EnergyExits:
    """One task an exit, at batch 1 on one thread, and the observed shares."""

    rates: tuple[float, ...]
    tasks: tuple[Task, ...]


@dataclass(frozen=True)
class EnergySection:
    """All that a report says of energy."""

    rows: tuple[EnergyRow, ...]
    exits: tuple[ExitEnergyRow, ...]
    crossover: tuple[EnergyCrossoverRow, ...]
    method: EnergyMethod

    def kinds(self) -> dict[str, str]:
        """Return which of its figures are not plainly measured, by their place in the report."""
        found = {}
        if any(row.gross is not None and energy_ratio(row.gross) for row in self.rows):
            found["energy_crossover.break_even_exit_rate"] = "predicted"
        if self.method.cpu_tdp_w is not None:
            found |= dict.fromkeys(
                ("energy.plain_estimated_j", "energy.cascade_estimated_j"), "estimated"
            )
        return found


def measure_energy(
    device: Device,
    plan: EnergyPlan,
    cells: Sequence[EnergyCell],
    exits: EnergyExits,
    *,
    subject: Subject,
    rng: np.random.Generator,
    power_csv: Path | None = None,
    power_volts: float | None = None,
    cpu_tdp_w: float | None = None,
    time: Time | None = None,
) -> EnergySection:
    """Return what cells and exits use; without a sensor, why that is unknown.

    Args:
        device: Its first sensor that can be read is used.
        plan: How to measure.
        cells: What to compare.
        exits: What to take apart.
        subject: What rows are about.
        rng: Of the order.
        power_csv: An external meter's log to use instead.
        power_volts: Of the supply, for a meter that logs current alone.
        cpu_tdp_w: For an estimate beside, from the processor-seconds.
        time: The clock; the machine's own by default.
    """
    section = _Section(cells, exits, subject, cpu_tdp_w)
    probes, unused = device.probes() if plan.windows else (), device.unused()
    if power_csv is not None:
        probes, unused = (Probe("power CSV", PowerCsv(power_csv, power_volts)),), None
    source, refused = choose_source(probes, unused, plan.windows)
    if source is None:
        return section.empty(unmeasured(refused, remedies_of(probes), plan.windows))
    run = EnergyRun(device, source, plan, rng, time or RealTime())
    if power_csv is None:
        run.weigh_probe(cells[0].plain)
    steps = plan.windows * (2 * len(cells) + len(exits.tasks))
    with run.recorded(), Progress("energy, windows", steps) as progress:
        for cell in cells:
            tasks = {"plain": cell.plain, "cascade": cell.cascade}
            run.compare(cell.group, tasks, progress.advance)
        tasks = {str(number): task for number, task in enumerate(exits.tasks, start=1)}
        run.compare(_EXITS, tasks, progress.advance)
    return section.full(run, run.method(refused))


def duration_s(device: Device, plan: EnergyPlan, tasks: int, power_csv: Path | None) -> float:
    """Return how long it takes to measure the energy of so many tasks; 0 without a sensor."""
    source, _ = _chosen(device, plan, power_csv)
    return 0.0 if source is None else expected_s(source, plan, tasks)


def _chosen(
    device: Device, plan: EnergyPlan, power_csv: Path | None
) -> tuple[EnergySource | None, dict[str, str]]:
    """Return what tells the energy, and why others cannot."""
    probes, unused = device.probes() if plan.windows else (), device.unused()
    if power_csv is not None:
        probes, unused = (Probe("power CSV", PowerCsv(power_csv)),), None
    return choose_source(probes, unused, plan.windows)


@dataclass(frozen=True)
class _Section:
    """The rows of one section, with or without a run."""

    cells: Sequence[EnergyCell]
    parts: EnergyExits
    subject: Subject
    cpu_tdp_w: float | None

    def empty(self, method: EnergyMethod) -> EnergySection:
        """Return rows without joules."""
        exits = tuple(
            ExitEnergyRow(**self.subject, exit=n, rate=rate, gross=None, net=None, message=None)
            for n, rate in enumerate(self.parts.rates, start=1)
        )
        rows = tuple(self._row(cell, None) for cell in self.cells)
        return EnergySection(rows, exits, (), replace(method, cpu_tdp_w=self.cpu_tdp_w))

    def full(self, run: EnergyRun, method: EnergyMethod) -> EnergySection:
        """Return rows with what was measured."""
        compared = [run.comparison(cell.group, "plain", "cascade") for cell in self.cells]
        rows = tuple(
            self._row(cell, found) for cell, found in zip(self.cells, compared, strict=True)
        )
        exits = tuple(self._exit(run, n) for n in range(1, len(self.parts.rates) + 1))
        method = replace(method, cpu_tdp_w=self.cpu_tdp_w)
        return EnergySection(rows, exits, self._crossover(rows, exits), method)

    def _row(self, cell: EnergyCell, found: Comparison | None) -> EnergyRow:
        return EnergyRow(
            **self.subject,
            batch=cell.batch,
            threads=cell.threads,
            gross=None if found is None else found.gross,
            net=None if found is None else found.net,
            message=None if found is None else found.reason,
            plain_cpu_s=cell.plain_cpu_s,
            cascade_cpu_s=cell.cascade_cpu_s,
            plain_estimated_j=self._estimated_j(cell.plain_cpu_s),
            cascade_estimated_j=self._estimated_j(cell.cascade_cpu_s),
        )

    def _estimated_j(self, cpu_s: float) -> float | None:
        if self.cpu_tdp_w is None:
            return None
        return estimated_j(cpu_s, self.cpu_tdp_w, os.cpu_count() or 1)

    def _exit(self, run: EnergyRun, number: int) -> ExitEnergyRow:
        cost = run.cost(_EXITS, str(number))
        return ExitEnergyRow(
            **self.subject,
            exit=number,
            rate=self.parts.rates[number - 1],
            gross=cost.gross,
            net=cost.net,
            message=cost.reason,
        )

    def _crossover(
        self, rows: Sequence[EnergyRow], exits: Sequence[ExitEnergyRow]
    ) -> tuple[EnergyCrossoverRow, ...]:
        """Return the break-even rate where the single image and every exit were measured."""
        single = next((row.gross for row in rows if (row.batch, row.threads) == (1, 1)), None)
        ratio = None if single is None else energy_ratio(single)
        costs = [interval_of(row.gross) for row in exits if row.gross is not None]
        if single is None or ratio is None or len(costs) < len(exits):
            return ()
        rates = self.parts.rates
        told = mix_seen(rates)
        rate, low, high = (
            break_even(costs, rates, single.plain.joules, ratio) if told else (None, None, None)
        )
        found = EnergyCrossoverRow(
            **self.subject,
            batch=1,
            threads=1,
            break_even_exit_rate=rate,
            break_even_low=low,
            break_even_high=high,
            observed_exit_rate=float(sum(rates[:-1])),
            recombined_j=float(np.dot(rates, [cost.value for cost in costs])),
            cascade_j=single.cascade.joules,
            reason=None if told else "nobody leaves",
        )
        return (found,)


class Joules(TypedDict):
    """What a row of the foretold holds of energy."""

    joules: float | None
    joules_low: float | None
    joules_high: float | None
    joules_ratio: float | None
    joules_ratio_low: float | None
    joules_ratio_high: float | None


def interval_of(cost: EnergyCost) -> Interval:
    """Return the joules of a cost as an interval."""
    return Interval(cost.joules, cost.low, cost.high)


def energy_ratio(found: EnergyComparison) -> Interval | None:
    """Return joules of cascade over plain, None where either lies in the noise."""
    if found.ratio is None or found.ratio_low is None or found.ratio_high is None:
        return None
    return Interval(found.ratio, found.ratio_low, found.ratio_high)


def foretold_energy(measured: EnergyComparison | None, times: Interval) -> Joules:
    """Return what an image would use if it took `times` as long as the cascade was measured to.

    The power stays that which the cascade drew; the errors of energy and time are independent.
    """
    joules = None if measured is None else product(interval_of(measured.cascade), times)
    over = None if measured is None else energy_ratio(measured)
    ratio = None if over is None else product(over, times)
    return Joules(
        joules=None if joules is None else joules.value,
        joules_low=None if joules is None else joules.low,
        joules_high=None if joules is None else joules.high,
        joules_ratio=None if ratio is None else ratio.value,
        joules_ratio_low=None if ratio is None else ratio.low,
        joules_ratio_high=None if ratio is None else ratio.high,
    )
