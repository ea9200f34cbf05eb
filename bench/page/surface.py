"""What is foretold at other exit rates: cascade over plain, by batch size and early share."""

from __future__ import annotations

from dataclasses import dataclass

from calexnet.bench.model.settings import Setting
from calexnet.bench.model.statistics import verdict
from calexnet.bench.model.what_if import band
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import ForetoldRow, Verdict


@dataclass(frozen=True)
class Point:
    """One batch size and early share: the ratio if survivors are gathered, and if not."""

    row: ForetoldRow
    gathered: Verdict
    running_on: Verdict

    @property
    def running_on_ratio(self) -> float:
        """Over plain, if the whole batch goes on while one image has not left."""
        return self.row.ratio * self.row.running_on_ms / self.row.ms


@dataclass(frozen=True)
class Surface:
    """One setting's points, ``[early share][batch]``, both rising."""

    setting: Setting
    batches: tuple[int, ...]
    shares: tuple[float, ...]
    points: dict[tuple[float, int], Point]


def surfaces(report: Report) -> dict[Setting, Surface]:
    """Return what the report foretells, for every setting."""
    bands = {(r.target, r.precision, r.threads, r.batch): band(r) for r in report.amortisation}
    grouped: dict[Setting, list[ForetoldRow]] = {}
    for row in report.foretold:
        if (row.target, row.precision, row.threads, row.batch) in bands:
            grouped.setdefault((row.target, row.precision, row.threads), []).append(row)
    return {
        setting: Surface(
            setting,
            tuple(sorted({row.batch for row in rows})),
            tuple(sorted({row.early for row in rows})),
            {(row.early, row.batch): _point(row, bands[(*setting, row.batch)]) for row in rows},
        )
        for setting, rows in grouped.items()
    }


def _point(row: ForetoldRow, band: tuple[float, float]) -> Point:
    running_on = row.ratio * row.running_on_ms / row.ms
    return Point(row, _verdict(row.ratio, band), _verdict(running_on, band))


def _verdict(ratio: float, band: tuple[float, float]) -> Verdict:
    return verdict(Interval(ratio, ratio * band[0], ratio * band[1]))
