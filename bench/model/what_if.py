"""What an image would cost at other exit rates, from the report's own figures, and who is faster.

The time is `calexnet.costs.expected_call_ms` of the segments' measured times, survivors gathered.
How sure that is: the measured ratio's interval at the same batch and threads, and the error of the
prediction at the observed rates there, in quadrature. ``panel.js`` does the same in the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

from calexnet.bench.model.settings import by_setting
from calexnet.bench.model.statistics import verdict
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyRow
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import AmortisationRow, Verdict
from calexnet.costs import SegmentTimes, expected_call_ms


@dataclass(frozen=True)
class Cell:
    """What was measured at one batch size, an image.

    Attributes:
        batch: Samples a call.
        plain_ms: Of the backbone alone.
        low: What a predicted ratio is to be multiplied with for the lower end of its band.
        high: And for the upper end.
        watts: That the cascade drew; ``None`` if nothing measured it.
        plain_j: That plain used; ``None`` likewise.
    """

    batch: int
    plain_ms: float
    low: float
    high: float
    watts: float | None
    plain_j: float | None


@dataclass(frozen=True)
class Model:
    """One target, precision and thread setting.

    Attributes:
            target: Of the bundle.
        precision: Of the bundle.
        threads: Within an operator.
        exit_rates: Observed.
        grid: Batch sizes at which segments were measured, rising.
        segment_ms: An image, ``[segment][grid]``.
        gather_ms: Of one image before each segment; 0 where noise alone may be it.
        cells: Batch sizes to choose from.
    """

    target: str
    precision: str
    threads: int
    exit_rates: tuple[float, ...]
    grid: tuple[int, ...]
    segment_ms: tuple[tuple[float, ...], ...]
    gather_ms: tuple[float, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Prediction:
    """An image at some exit rates and one batch size; `low` and `high` are the ratio's band."""

    ms: float
    plain_ms: float
    ratio: float
    low: float
    high: float
    joules: float | None
    verdict: Verdict


def models(report: Report) -> tuple[Model, ...]:
    """Return every setting whose segments and exits were measured."""
    energy = {(r.target, r.precision, r.threads, r.batch): r for r in report.energy}
    found = []
    for (target, precision, threads), rows in by_setting(report.amortisation).items():
        times = {
            (row.segment, row.batch): row.ms
            for row in report.segments
            if (row.target, row.precision, row.threads) == (target, precision, threads)
        }
        gathers = {
            row.segment: row.ms if row.counted else 0.0
            for row in report.gathers
            if (row.target, row.precision, row.threads) == (target, precision, threads)
        }
        grid = tuple(sorted({batch for _, batch in times}))
        rates = {
            row.exit: row.rate
            for row in report.exits
            if (row.target, row.precision) == (target, precision)
        }
        cells = [
            _cell(row, energy.get((target, precision, threads, row.batch)))
            for row in sorted(rows, key=lambda row: row.batch)
            if grid and row.batch <= grid[-1]
        ]
        if rates and cells:
            found.append(
                Model(
                    target=target,
                    precision=precision,
                    threads=threads,
                    exit_rates=tuple(rates[number] for number in sorted(rates)),
                    grid=grid,
                    segment_ms=tuple(
                        tuple(times[number, batch] for batch in grid) for number in sorted(rates)
                    ),
                    gather_ms=tuple(gathers.get(number, 0.0) for number in sorted(rates)),
                    cells=tuple(cells),
                )
            )
    return tuple(found)


def predict(model: Model, cell: Cell, exit_rates: Sequence[float]) -> Prediction:
    """Return what an image costs at `exit_rates`, which sum to 1, at a cell's batch size."""
    call_ms = tuple(
        tuple(ms * batch for ms, batch in zip(own, model.grid, strict=True))
        for own in model.segment_ms
    )
    times = SegmentTimes(model.grid, call_ms)
    call = expected_call_ms(times, cell.batch, exit_rates, gather_ms=model.gather_ms)
    ms = call / cell.batch
    ratio = ms / cell.plain_ms
    low, high = ratio * cell.low, ratio * cell.high
    return Prediction(
        ms=ms,
        plain_ms=cell.plain_ms,
        ratio=ratio,
        low=low,
        high=high,
        joules=None if cell.watts is None else cell.watts * ms / 1e3,
        verdict=verdict(Interval(ratio, low, high)),
    )


def band(row: AmortisationRow) -> tuple[float, float]:
    """Return what a ratio that is predicted there may be off by, as factors under and over 1."""
    miss = row.predicted_cascade_ms / row.cascade_ms - 1
    down = hypot(1 - row.ratio_low / row.ratio, miss)
    return max(0.0, 1 - down), 1 + hypot(row.ratio_high / row.ratio - 1, miss)


def _cell(row: AmortisationRow, energy: EnergyRow | None) -> Cell:
    low, high = band(row)
    gross = None if energy is None else energy.gross
    return Cell(
        batch=row.batch,
        plain_ms=row.plain_ms,
        low=low,
        high=high,
        watts=None if gross is None else gross.cascade.joules / row.cascade_ms * 1e3,
        plain_j=None if gross is None else gross.plain.joules,
    )
