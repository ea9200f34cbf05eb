"""What the report says of times: by batch, exit rate, exit, segment and operating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from calexnet.bench.conclusions import VERDICTS, flip_sentences, one_point_sentences
from calexnet.bench.figures import (
    MISSING,
    amount,
    estimate,
    interval,
    percent,
    points,
    ratio,
    signed_percent,
    significant,
)
from calexnet.bench.interval import Interval
from calexnet.bench.results import Report
from calexnet.bench.table import SETTING, Column, Table, last_named, subject_columns
from calexnet.bench.time_records import (
    AmortisationRow,
    CrossoverRow,
    ExitRow,
    ForetoldRow,
    LatencyRow,
    OperatingPointRow,
    SegmentRow,
    WorstRow,
)


@dataclass(frozen=True)
class SegmentTimes:
    """All segments at one batch and thread setting; `ms` is an image, by segment."""

    target: str
    precision: str
    batch: int
    threads: int
    ms: dict[int, float]


_RATIO: Column[Any] = Column(
    "Ratio, 95 % interval",
    lambda row: interval(ratio, row.ratio, row.ratio_low, row.ratio_high),
)
_VERDICT: Column[Any] = Column("Verdict", lambda row: VERDICTS[row.verdict], "word")


def amortisation(report: Report) -> Table[AmortisationRow]:
    """Return what an image costs at each batch size."""
    columns: tuple[Column[AmortisationRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Plain, ms", lambda row: significant(row.plain_ms)),
        Column("Cascade, ms", lambda row: significant(row.cascade_ms)),
        _RATIO,
        Column("Predicted cascade, ms", lambda row: significant(row.predicted_cascade_ms)),
        Column(
            "Prediction error",
            lambda row: signed_percent(row.predicted_cascade_ms / row.cascade_ms - 1),
        ),
        Column("Within the noise", lambda row: "yes" if row.prediction_holds else "no", "word"),
    )
    notes = (
        "Time an image, in ms: the time of one call, divided by the images in it (the batch). "
        "Plain and cascade were measured in turns; the ratio is cascade over plain.",
        "The prediction comes from the exits' own times and the exit rates. It is there to check "
        "the cost model: its error is against the cascade on the test images in mixed order.",
    )
    return Table("amortisation", "Time against batch", notes, columns, report.amortisation)


def crossover(report: Report) -> Table[CrossoverRow]:
    """Return the exit rate that is needed beside the one that was seen."""
    columns: tuple[Column[CrossoverRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Break-even exit rate (predicted), 95 % interval", _break_even, "figure"),
        Column("Observed exit rate", lambda row: percent(row.observed_exit_rate)),
        _VERDICT,
    )
    notes = (
        *flip_sentences(report.crossover),
        "The break-even rate is the share of images that must leave early for the cascade to cost "
        "what plain costs. If more leave than that, the cascade pays. The verdict is unclear if "
        "the interval of the ratio holds 1.",
    )
    return Table("crossover", "Where the cascade pays", notes, columns, report.crossover)


#: Of the table below, what is shown where there is room for little.
POINT_COLUMNS = (
    "Operating point",
    "Change, points, 95 % interval",
    "Ratio, 95 % interval",
    "Verdict",
    "Accuracy, 95 % interval",
    "Exit rates, %, first to last",
)


def operating_points(report: Report) -> Table[OperatingPointRow]:
    """Return what each margin costs in accuracy and saves in time."""
    columns: tuple[Column[OperatingPointRow], ...] = (
        *subject_columns(report),
        # What decides comes first: on a phone the rest has to be scrolled to.
        Column("Operating point", _point_name, "word"),
        Column("Setting", lambda row: f"{row.setting:g}"),
        Column("Change, points, 95 % interval", _change),
        _RATIO,
        _VERDICT,
        Column(
            "Accuracy, 95 % interval",
            lambda row: interval(percent, row.accuracy, row.accuracy_low, row.accuracy_high),
        ),
        Column("Plain, ms", lambda row: significant(row.plain_ms)),
        Column("Cascade, ms", lambda row: significant(row.ms)),
        Column("Exit rates, %, first to last", _exit_rates),
        Column("MACs ratio", lambda row: ratio(row.macs_ratio)),
        Column("MACs", lambda row: amount(row.macs)),
        Column("MACs, own head", lambda row: amount(row.macs_own_head)),
    )
    notes = (
        *one_point_sentences(report.operating_points),
        "Each row is one table of thresholds. Its margin is how far below the backbone's "
        "precision a branch may stay: a larger one lets more images leave early and may lose more "
        "accuracy. Batch 1, one thread. The change is against the backbone on the same images.",
    )
    return Table("points", "Which margin costs how much", notes, columns, report.operating_points)


def latency(report: Report) -> Table[LatencyRow]:
    """Return the percentiles of one call."""
    columns: tuple[Column[LatencyRow], ...] = (
        *subject_columns(report),
        Column("Network", lambda row: row.network, "word"),
        *SETTING,
        Column("Mean, ms, 95 % interval", lambda row: _latency(row.mean_ms)),
        *(
            Column(f"{name}, ms", partial(_percentile, name))
            for name in ("p50", "p90", "p95", "p99")
        ),
        Column("Calls", lambda row: f"{row.calls:,}"),
    )
    notes = (
        "Of one call, that is a whole batch, every call counted. Half of all calls take at most "
        "p50, 99 % at most p99. A percentile that too few calls tell is n/a. For single images the "
        "cascade's is put together from the calls timed at each exit and the share that leaves "
        "there; the interval holds the noise of both.",
    )
    return Table("latency", "Latency of a call", notes, columns, report.latency)


def _percentile(name: str, row: LatencyRow) -> str:
    return _latency(getattr(row, f"{name}_ms"))


def _latency(found: Interval | None) -> str:
    return MISSING if found is None else estimate(significant, found)


def worst(report: Report) -> Table[WorstRow]:
    """Return what the cascade costs if nobody leaves early."""
    columns: tuple[Column[WorstRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Cascade, nobody leaves early, ms", lambda row: significant(row.ms)),
        _RATIO,
    )
    notes = (
        "The worst case: every image is late and has paid for all heads. Time an image, and its "
        "ratio over plain. A run of hard images costs this.",
    )
    return Table("worst", "If nobody leaves early", notes, columns, report.worst)


def foretold(report: Report) -> Table[ForetoldRow]:
    """Return what images would cost at other exit rates."""
    columns: tuple[Column[ForetoldRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Leave early", lambda row: percent(row.early)),
        Column(
            "Cascade, ms, 95 % interval",
            lambda row: interval(significant, row.ms, row.low, row.high),
        ),
        Column("Ratio", lambda row: ratio(row.ratio)),
        Column("Not gathered, ms", lambda row: significant(row.running_on_ms)),
        Column("Cascade, mJ", lambda row: significant(_milli(row.joules))),
    )
    notes = (
        "Predicted from the segments' times: an image, if another share left early, split among "
        "the exits as it was seen. Not gathered: the whole batch goes on while one image has not "
        "left. Joules come from the power that the cascade drew at the same batch and threads.",
    )
    return Table("foretold", "At other exit rates", notes, columns, report.foretold)


def _milli(value: float | None) -> float | None:
    return None if value is None else 1e3 * value


def exits(report: Report) -> Table[ExitRow]:
    """Return who leaves where, how right they are and how long they took."""
    last = len(report.bundle.attach) + 1
    columns: tuple[Column[ExitRow], ...] = (
        *subject_columns(report),
        Column("Exit", lambda row: last_named(row.exit, last, "backbone's own head"), "word"),
        Column("Images that leave here", lambda row: percent(row.rate)),
        Column("Accuracy of those", lambda row: percent(row.accuracy)),
        Column(
            "Latency, ms, 95 % interval",
            lambda row: interval(significant, row.latency_ms, row.latency_low, row.latency_high),
        ),
        Column("Timed on", _timed_on, "word"),
    )
    notes = (
        "Latency of an image that leaves at this exit: batch 1, one thread. Early exits keep the "
        "easy images, so the accuracies are of different images and do not compare.",
    )
    return Table("exits", "Exit by exit", notes, columns, report.exits)


def segments(report: Report) -> Table[SegmentTimes]:
    """Return every segment's own time, one line a batch and thread setting."""
    last = len(report.bundle.attach) + 1
    columns: tuple[Column[SegmentTimes], ...] = (
        *subject_columns(report),
        *SETTING,
        *(_segment_column(k, last) for k in sorted({row.segment for row in report.segments})),
    )
    notes = (
        "What each segment adds to an image, in ms, with the whole batch in it: the time of "
        "leaving after it less that of leaving before it. In the cascade later segments see fewer "
        "images, so the segments do not add up to it.",
    )
    return Table("segments", "Segment by segment", notes, columns, _side_by_side(report.segments))


def _break_even(row: CrossoverRow) -> str:
    """Return the rate; both ends of the scale in words, as they read like mistakes otherwise."""
    rate = row.break_even_exit_rate
    if rate is None:
        return f"{MISSING} (never pays)"
    low, high = row.break_even_low, row.break_even_high
    ends = f"({percent(low)} to {'never' if high is None else percent(high)})"
    return f"0.0 %, always pays {ends}" if rate == 0 else f"{percent(rate)} {ends}"


def _point_name(row: OperatingPointRow) -> str:
    return f"{row.name} (default)" if row.default else row.name


def _change(row: OperatingPointRow) -> str:
    return interval(points, row.change, row.change_low, row.change_high)


def _exit_rates(row: OperatingPointRow) -> str:
    return " / ".join(f"{100 * rate:.1f}" for rate in row.exit_rates)


def _timed_on(row: ExitRow) -> str:
    return "forced: no image leaves here" if row.forced else "images that leave here"


def _segment_column(segment: int, last: int) -> Column[SegmentTimes]:
    name = f"Segment {last_named(segment, last, 'tail')}" if segment else "Plain"
    return Column(f"{name}, ms", lambda row: significant(row.ms.get(segment)))


def _side_by_side(rows: Sequence[SegmentRow]) -> tuple[SegmentTimes, ...]:
    """Gather the segments of one batch and thread setting into one record."""
    grouped: dict[tuple[str, str, int, int], dict[int, float]] = {}
    for row in rows:
        setting = (row.target, row.precision, row.batch, row.threads)
        grouped.setdefault(setting, {})[row.segment] = row.ms
    return tuple(SegmentTimes(*setting, ms) for setting, ms in grouped.items())
