"""What ``calexnet choose --require`` can ask: a figure of one network in a bench report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from calexnet.bench.gates import grammar
from calexnet.bench.gates.grammar import OPERATORS, Metric, Where
from calexnet.bench.measuring.memory import measure_memory
from calexnet.bench.report.document import Report
from calexnet.bench.report.memory import NETWORKS
from calexnet.bundle import open_bundle
from calexnet.choosing.choice import Figure, Limit
from calexnet.errors import InputError
from calexnet.manifest import SEGMENTS


@dataclass(frozen=True)
class Cell:
    """One network of a report, on single images and one thread.

    Attributes:
        report: That it is in.
        folder: Of its bundle.
        target: What runs it.
        precision: Of its numbers.
        network: ``plain``, ``cascade``, or a rival's name.
        ms: Mean of an image.
    """

    report: Report
    folder: Path
    target: str
    precision: str
    network: str
    ms: float

    def is_of(self, row: object) -> bool:
        """Tell whether a row of the report is about this network's build."""
        found = getattr(row, "target", None), getattr(row, "precision", None)
        return found == (self.target, self.precision)


def _latency(name: str) -> Callable[[Cell, Where], grammar.Figure]:
    def found(cell: Cell, where: Where) -> grammar.Figure:
        for row in cell.report.latency:
            if (row.network, row.batch, row.threads) == (cell.network, 1, 1) and (
                cell.is_of(row) or cell.network not in NETWORKS
            ):
                value = getattr(row, name)
                return grammar.Figure(value if isinstance(value, float) else _value(value))
        return grammar.Figure(None, reason="it was not timed")

    return found


def _value(interval: object) -> float | None:
    value = getattr(interval, "value", None)
    return None if value is None else float(value)


def _worst(cell: Cell, where: Where) -> grammar.Figure:
    if cell.network != "cascade":
        return grammar.Figure(cell.ms)
    found = [row.ms for row in cell.report.worst if cell.is_of(row) and row.batch == 1]
    return grammar.Figure(found[0] if found else None)


def _memory(cell: Cell, where: Where) -> grammar.Figure:
    rows = [r for r in cell.report.memory if cell.is_of(r) and r.network == cell.network]
    if cell.network not in NETWORKS:  # a rival's is in no report
        rows = [measure_memory(cell.folder, cell.target, cell.precision, "plain", 1, 1)]
    peaks = [row.peak_bytes for row in rows if row.peak_bytes is not None]
    if not peaks:
        return grammar.Figure(None, reason="it was not measured")
    return grammar.Figure(peaks[0] / 2**20)


def _energy(cell: Cell, where: Where) -> grammar.Figure:
    for row in cell.report.energy:
        if cell.is_of(row) and row.batch == 1 and row.gross is not None:
            one = {"plain": row.gross.plain, "cascade": row.gross.cascade}.get(cell.network)
            return grammar.Figure(None if one is None else 1e3 * one.joules)
    return grammar.Figure(None, reason="it was not measured")


def _size(cell: Cell, where: Where) -> grammar.Figure:
    build = open_bundle(cell.folder).compiled(cell.target, cell.precision, SEGMENTS)
    graphs = (build.plain,) if cell.network == "plain" else build.segments
    return grammar.Figure(sum(graph.file.size for graph in graphs) / 2**20)


#: name -> what it means and where it is found.
LIMITS: dict[str, Metric[Cell]] = {
    "mean_ms": Metric("mean time of an image", _latency("mean_ms")),
    "p50_ms": Metric("time that 50 % of images keep", _latency("p50_ms")),
    "p90_ms": Metric("likewise 90 %", _latency("p90_ms")),
    "p95_ms": Metric("likewise 95 %", _latency("p95_ms")),
    "p99_ms": Metric("likewise 99 %", _latency("p99_ms")),
    "worst_ms": Metric("mean time of an image if nobody leaves early", _worst),
    "mj": Metric("energy of an image, all that the device used", _energy),
    "peak_mib": Metric("peak memory of a process of its own", _memory),
    "size_mib": Metric("size of its graphs", _size),
}


def parse(text: str) -> Limit:
    """Return the limit that `text` writes.

    Raises:
        InputError: It is none, or names an unknown metric.
    """
    gate = grammar.parse(text, LIMITS)
    if gate.end is not None:
        raise InputError(
            "a limit is held against the estimate", got=repr(text), expected=f"{gate.metric}<=8"
        )
    return Limit(gate.text, gate.metric, gate.operator, gate.limit)


def figure(limit: Limit, cell: Cell) -> Figure:
    """Return what a limit's metric comes to, and whether the limit is kept for sure."""
    value = LIMITS[limit.metric].figure(cell, {}).value
    kept = value is not None and OPERATORS[limit.operator](value, limit.value)
    return Figure(limit.text, value, kept)
