"""From tasks to the report's rows about energy: one recording, every figure of a section."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypedDict

import numpy as np

from calexnet.bench.energy import (
    Comparison,
    EnergyPlan,
    EnergyRun,
    break_even_exit_rate,
    choose_source,
    estimated_j,
    unmeasured,
)
from calexnet.bench.energy_records import EnergyCrossoverRow, EnergyMethod, EnergyRow, ExitEnergyRow
from calexnet.bench.timing import Task
from calexnet.devices.base import Device, Probe
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
        if self.crossover:
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
        cpu_tdp_w: For an estimate beside, from the processor-seconds.
        time: The clock; the machine's own by default.
    """
    section = _Section(cells, exits, subject, cpu_tdp_w)
    probes, unused = device.probes() if plan.windows else (), device.unused()
    if power_csv is not None:
        probes, unused = (Probe("power CSV", PowerCsv(power_csv)),), None
    source, refused = choose_source(probes, unused, plan.windows)
    if source is None:
        return section.empty(unmeasured(refused))
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


@dataclass(frozen=True)
class _Section:
    """The rows of one section, with or without a run."""

    cells: Sequence[EnergyCell]
    parts: EnergyExits
    subject: Subject
    cpu_tdp_w: float | None

    def empty(self, method: EnergyMethod) -> EnergySection:
        """Return rows that say why they hold no joules."""
        exits = tuple(
            ExitEnergyRow(
                **self.subject, exit=n, rate=rate, gross=None, net=None, reason=method.reason
            )
            for n, rate in enumerate(self.parts.rates, start=1)
        )
        rows = tuple(self._row(cell, None, method.reason) for cell in self.cells)
        return EnergySection(rows, exits, (), replace(method, cpu_tdp_w=self.cpu_tdp_w))

    def full(self, run: EnergyRun, method: EnergyMethod) -> EnergySection:
        """Return rows with what was measured."""
        compared = [run.comparison(cell.group, "plain", "cascade") for cell in self.cells]
        rows = tuple(
            self._row(cell, found, found.reason)
            for cell, found in zip(self.cells, compared, strict=True)
        )
        exits = tuple(self._exit(run, n) for n in range(1, len(self.parts.rates) + 1))
        method = replace(method, cpu_tdp_w=self.cpu_tdp_w)
        return EnergySection(rows, exits, self._crossover(rows, exits), method)

    def _row(self, cell: EnergyCell, found: Comparison | None, reason: str | None) -> EnergyRow:
        return EnergyRow(
            **self.subject,
            batch=cell.batch,
            threads=cell.threads,
            gross=None if found is None else found.gross,
            net=None if found is None else found.net,
            reason=reason,
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
            reason=cost.reason,
        )

    def _crossover(
        self, rows: Sequence[EnergyRow], exits: Sequence[ExitEnergyRow]
    ) -> tuple[EnergyCrossoverRow, ...]:
        """Return the break-even rate where the single image and every exit were measured."""
        single = next((row.gross for row in rows if (row.batch, row.threads) == (1, 1)), None)
        exit_j = [row.gross.joules for row in exits if row.gross is not None]
        if single is None or len(exit_j) < len(exits):
            return ()
        rates = self.parts.rates
        plain_j, cascade_j = single.plain.joules, single.cascade.joules
        found = EnergyCrossoverRow(
            **self.subject,
            break_even_exit_rate=break_even_exit_rate(exit_j, rates, plain_j, cascade_j),
            observed_exit_rate=float(sum(rates[:-1])),
            recombined_j=float(np.dot(rates, exit_j)),
            cascade_j=cascade_j,
        )
        return (found,)
