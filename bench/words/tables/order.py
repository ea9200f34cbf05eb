"""The report as tables, in the order to be read: every column is said once, for all renderers.

A `Table` holds records and the columns that read them. Its cells are plain text, not yet escaped:
that is the work of the renderer, which alone knows its format.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from calexnet.bench.report.document import Report
from calexnet.bench.report.times import OperatingPointRow
from calexnet.bench.words import chosen, overview
from calexnet.bench.words.figures import (
    amount,
    counted,
    interval,
    percent,
    points,
    ratio,
    saved,
    significant,
)
from calexnet.bench.words.tables import amortisation as cost_tables
from calexnet.bench.words.tables import choice as choice_tables
from calexnet.bench.words.tables import provenance as provenance_tables
from calexnet.bench.words.tables import times as time_tables
from calexnet.bench.words.tables import work as work_tables
from calexnet.bench.words.tables.counts import count_tables
from calexnet.bench.words.tables.device import device, state
from calexnet.bench.words.tables.energy import energy_tables, glance_energy
from calexnet.bench.words.tables.memory import memory_tables
from calexnet.bench.words.tables.table import COMPARISON, Comparison, Table


def title(report: Report) -> str:
    """Return the report's own heading."""
    return f"Do early exits pay? {report.bundle.backbone} on {report.device.model}"


def tables(report: Report) -> tuple[Table[Any], ...]:
    """Return every table of `report`, in the order to be read."""
    return (
        glance(report),
        overview.table(report),
        provenance_tables.validity(report),
        choice_tables.alternatives(report),
        cost_tables.amortisation(report),
        cost_tables.crossover(report),
        time_tables.operating_points(report),
        choice_tables.accuracy(report),
        time_tables.latency(report),
        time_tables.exits(report),
        time_tables.worst(report),
        work_tables.flops(report),
        work_tables.stages(report.flops.macs),
        *count_tables(report),
        *memory_tables(report),
        *energy_tables(report),
        *time_tables.layouts(report),
        time_tables.segments(report),
        device(report),
        state(report),
        provenance_tables.bundle(report),
        provenance_tables.data(report),
        provenance_tables.provenance(report),
        provenance_tables.kinds(report),
        provenance_tables.glossary(),
    )


def glance(report: Report) -> Table[Comparison]:
    """Return plain beside cascade for the first target, at its default operating point."""
    found = report.accuracy
    return glance_at(report, (found.target, found.precision))


def glance_at(report: Report, subject: tuple[str, str]) -> Table[Comparison]:
    """Return plain beside cascade for one target and precision, at its default operating point."""
    lines = [
        line
        for row in report.operating_points
        if row.default and (row.target, row.precision) == subject
        for line in _glance_lines(row)
    ]
    note = (
        f"Single images on one thread, {counted(report.data.samples, 'image')} in all; the cascade "
        f"at its default operating point, {report.bundle.operating_point}."
    )
    found = (*lines, *_glance_energy(report, subject))
    return Table(
        "glance", "At a glance", (note, *chosen.beside(report, subject)), COMPARISON, found
    )


def _glance_lines(row: OperatingPointRow) -> Iterable[Comparison]:
    plain_macs = row.macs / row.macs_ratio
    yield Comparison(
        "Time an image",
        f"{significant(row.plain_ms)} ms",
        f"{significant(row.ms)} ms",
        "ratio " + interval(ratio, row.ratio, row.ratio_low, row.ratio_high),
    )
    yield Comparison("Images that leave early", "none", percent(1 - row.exit_rates[-1]), "")
    yield Comparison(
        "Accuracy",
        percent(row.accuracy - row.change),
        percent(row.accuracy),
        f"{points(row.change)} points ({points(row.change_low)} to {points(row.change_high)})",
    )
    yield Comparison(
        "Work an image, FLOPs",
        amount(2 * plain_macs),
        amount(2 * row.macs),
        saved(1 - row.macs_ratio),
    )


def _glance_energy(report: Report, subject: tuple[str, str]) -> Iterable[Comparison]:
    for row in report.energy:
        single = (row.target, row.precision, row.batch, row.threads) == (*subject, 1, 1)
        if single and row.gross is not None:
            yield Comparison("Energy an image", *glance_energy(row))
