"""What ``calexnet-bench --fail-if`` can ask of a report: metric by name, and where it is found.

Unless a gate says otherwise, a metric is that of the cascade at its default operating point, on the
first target and precision of the report, at batch 1 on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from calexnet.bench.gates.grammar import Figure, Metric, Where
from calexnet.bench.model.settings import subjects_of
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison, EnergyCost
from calexnet.bench.report.interval import Interval
from calexnet.bench.words.tables.energy import unmeasured
from calexnet.bench.words.tables.memory import why

Row = TypeVar("Row")

_SUBJECT = ("target", "precision")
_CELL = (*_SUBJECT, "batch", "threads")
_NETWORK = (*_CELL, "network")


def find(report: Report, rows: Iterable[Row], where: Where) -> Row | str:
    """Return the first of `rows` that a gate asks for, or why there is none."""
    wanted = _wanted(report, where)
    asked: dict[str, str] = {}
    for row in rows:
        asked = {key: word for key, word in wanted.items() if hasattr(row, key)}
        if all(str(getattr(row, key)) == word for key, word in asked.items()):
            return row
    if not asked:
        return "nothing of the kind was measured"
    return f"nothing was measured for {', '.join(' '.join(pair) for pair in asked.items())}"


def _wanted(report: Report, where: Where) -> dict[str, str]:
    """Return every key that matters with the word that a row must have there."""
    wanted = {"network": "cascade", "batch": "1", "threads": "1", **where}
    if wanted["network"] not in ("cascade", "plain"):
        return wanted  # a rival has a target and precision of its own
    subjects = [dict(zip(_SUBJECT, subject, strict=True)) for subject in subjects_of(report)]
    fitting = [s for s in subjects if all(where.get(key, s[key]) == s[key] for key in _SUBJECT)]
    return {**(fitting or subjects)[0], **wanted}


def _of(
    rows: Callable[[Report], Iterable[Any]], figure: Callable[[Any], Figure]
) -> Callable[[Report, Where], Figure]:
    """Return a metric that is read off one row of a table."""

    def found(report: Report, where: Where) -> Figure:
        row = find(report, rows(report), where)
        return Figure(None, reason=row) if isinstance(row, str) else figure(row)

    return found


def _estimate(found: Interval | None) -> Figure:
    if found is None:
        return Figure(None, reason="too few calls were timed for this percentile")
    return Figure(found.value, found.low, found.high)


def _latency(name: str) -> Callable[[Report, Where], Figure]:
    return _of(lambda report: report.latency, lambda row: _estimate(getattr(row, name)))


def _amortisation(figure: Callable[[Any], Figure]) -> Callable[[Report, Where], Figure]:
    return _of(lambda report: report.amortisation, figure)


def _point(figure: Callable[[Any], Figure]) -> Callable[[Report, Where], Figure]:
    """Return a metric of the default operating point."""
    return _of(lambda report: [p for p in report.operating_points if p.default], figure)


def _energy(figure: Callable[[EnergyComparison], Figure]) -> Callable[[Report, Where], Figure]:
    """Return a metric of all the energy that the device used."""

    def of(report: Report, where: Where) -> Figure:
        def of_row(row: Any) -> Figure:
            if row.gross is None:
                return Figure(None, reason=unmeasured(row, report.energy_method))
            return figure(row.gross)

        return _of(lambda found: found.energy, of_row)(report, where)

    return of


def _millijoules(cost: EnergyCost) -> Figure:
    return Figure(1e3 * cost.joules, 1e3 * cost.low, 1e3 * cost.high)


def _energy_ratio(found: EnergyComparison) -> Figure:
    if found.ratio is None:
        return Figure(None, reason="plain's energy lies in the noise")
    return Figure(found.ratio, found.ratio_low, found.ratio_high)


def _memory(report: Report, where: Where) -> Figure:
    """Return the peak at the one batch and thread setting at which memory is measured."""
    if not report.memory:
        return Figure(None, reason="memory was not measured")
    first = report.memory[0]
    cell = {"batch": str(first.batch), "threads": str(first.threads)}
    row = find(report, report.memory, {**cell, **where})
    if isinstance(row, str):
        return Figure(None, reason=row)
    if row.peak_bytes is None:
        return Figure(None, reason=why(row.failure))
    return Figure(row.peak_bytes / 2**20)


#: name -> what it means and where it is found.
METRICS: dict[str, Metric[Report]] = {
    "mean_ms": Metric("mean latency of a call", _latency("mean_ms"), _NETWORK, "time"),
    "p50_ms": Metric("latency that 50 % of calls keep", _latency("p50_ms"), _NETWORK, "percentile"),
    "p90_ms": Metric("likewise 90 %", _latency("p90_ms"), _NETWORK, "percentile"),
    "p95_ms": Metric("likewise 95 %", _latency("p95_ms"), _NETWORK, "percentile"),
    "p99_ms": Metric("likewise 99 %", _latency("p99_ms"), _NETWORK, "percentile"),
    "cascade_ms": Metric(
        "time of an image on the cascade",
        _amortisation(lambda row: Figure(row.cascade_ms, row.cascade_low, row.cascade_high)),
        _CELL,
        "time",
    ),
    "plain_ms": Metric(
        "time of an image on the backbone alone",
        _amortisation(lambda row: Figure(row.plain_ms, row.plain_low, row.plain_high)),
        _CELL,
        "time",
    ),
    "ratio": Metric(
        "time of the cascade over plain",
        _amortisation(lambda row: Figure(row.ratio, row.ratio_low, row.ratio_high)),
        _CELL,
        "ratio",
    ),
    "worst_ratio": Metric(
        "the same if nobody leaves early",
        _of(
            lambda report: report.worst,
            lambda row: Figure(row.ratio, row.ratio_low, row.ratio_high),
        ),
        _CELL,
        "ratio",
    ),
    "prediction_error_pct": Metric(
        "how far the predicted time is from the measured one, per cent",
        _amortisation(lambda r: Figure(100 * abs(r.predicted_cascade_ms / r.cascade_ms - 1))),
        _CELL,
        "ratio",
    ),
    "top1": Metric(
        "accuracy of the cascade, per cent",
        _point(lambda p: Figure(100 * p.accuracy, 100 * p.accuracy_low, 100 * p.accuracy_high)),
        _SUBJECT,
    ),
    "top1_drop": Metric(
        "accuracy of plain less the cascade's, points",
        _point(lambda p: Figure(-100 * p.change, -100 * p.change_high, -100 * p.change_low)),
        _SUBJECT,
    ),
    "early_pct": Metric(
        "images that leave before the tail, per cent",
        _point(lambda p: Figure(100 * (1 - p.exit_rates[-1]))),
        _SUBJECT,
    ),
    "macs_ratio": Metric(
        "MACs of the cascade over plain", _point(lambda p: Figure(p.macs_ratio)), _SUBJECT
    ),
    "cascade_mj": Metric(
        "energy of an image on the cascade, all in",
        _energy(lambda found: _millijoules(found.cascade)),
        _CELL,
        "energy",
    ),
    "plain_mj": Metric(
        "energy of an image on the backbone alone, all in",
        _energy(lambda found: _millijoules(found.plain)),
        _CELL,
        "energy",
    ),
    "energy_ratio": Metric(
        "energy of the cascade over plain", _energy(_energy_ratio), _CELL, "energy"
    ),
    "peak_mib": Metric("peak memory of a process of its own", _memory, (*_SUBJECT, "network")),
}
