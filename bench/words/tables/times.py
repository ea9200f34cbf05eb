"""What the report says of times: by exit, segment, operating point and layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import (
    ExitRow,
    ForetoldRow,
    LatencyRow,
    LayoutRow,
    OperatingPointRow,
    SegmentRow,
    WorstRow,
)
from calexnet.bench.words.conclusions import (
    affordable_sentences,
    layout_sentences,
)
from calexnet.bench.words.figures import (
    MISSING,
    amount,
    estimate,
    interval,
    percent,
    points,
    ratio,
    significant,
    worst_points,
)
from calexnet.bench.words.strictness import POINT, meaning
from calexnet.bench.words.tables.amortisation import RATIO, VERDICT
from calexnet.bench.words.tables.table import SETTING, Column, Table, last_named, subject_columns


@dataclass(frozen=True)
class SegmentTimes:
    """All segments at one batch and thread setting, by number."""

    target: str
    precision: str
    batch: int
    threads: int
    rows: dict[int, SegmentRow]


#: What the two layouts of a cascade are.
LAYOUTS = (
    "A cascade can be shipped as segments, one graph for each part, which are run one after "
    "another and may have gathered batches between them; or as one file (layout if), a graph in "
    "which the runtime itself skips what need not run. Single images; the ratio is one file over "
    "segments."
)

#: Heading of the table of operating points.
POINTS = "How strict should the exits be?"
#: Of its columns, those that are shown where there is room for little.
POINT_COLUMNS = (
    "Operating point",
    "Accuracy gained or lost, points",
    "Worst class, points",
    "Ratio",
    "Verdict",
    "Accuracy",
    "Leave at each exit, %",
)


def operating_points(report: Report) -> Table[OperatingPointRow]:
    """Return what each operating point costs in accuracy and saves in time."""
    columns: tuple[Column[OperatingPointRow], ...] = (
        *subject_columns(report),
        # What decides comes first: on a phone the rest has to be scrolled to.
        Column("Operating point", _point_name, "word"),
        Column("Setting", lambda row: f"{row.setting:g}"),
        Column("Accuracy gained or lost, points", _change),
        Column("Worst class, points", _worst, "prose"),
        RATIO,
        VERDICT,
        Column(
            "Accuracy",
            lambda row: interval(percent, row.accuracy, row.accuracy_low, row.accuracy_high),
        ),
        Column("Balanced accuracy", lambda row: percent(row.balanced)),
        Column("Plain, ms", lambda row: significant(row.plain_ms)),
        Column("Cascade, ms", lambda row: significant(row.ms)),
        Column("Leave at each exit, %", _exit_rates),
        Column("MACs ratio", lambda row: ratio(row.macs_ratio)),
        Column("MACs", lambda row: amount(row.macs)),
        Column("MACs, own head", lambda row: amount(row.macs_own_head)),
    )
    notes = (
        *affordable_sentences(report.operating_points, report.decision.max_drop),
        f"{POINT} {meaning(report.operating_points)} Single images, one thread; accuracy is "
        "against plain of the same target and precision, on the same images.",
    )
    return Table("points", POINTS, notes, columns, report.operating_points)


def latency(report: Report) -> Table[LatencyRow]:
    """Return the percentiles of one call."""
    columns: tuple[Column[LatencyRow], ...] = (
        *subject_columns(report),
        Column("Network", lambda row: row.network, "word"),
        *SETTING,
        Column("Mean, ms", lambda row: _latency(row.mean_ms)),
        *(
            Column(f"{name}, ms", partial(_percentile, name))
            for name in ("p50", "p90", "p95", "p99")
        ),
        Column("Calls", lambda row: f"{row.calls:,}"),
    )
    notes = (
        "Of one call, that is a whole batch, every call counted, at the run's usual pace: what "
        "slowed all networks alike is the machine's. Half of all calls take at most p50, 99 % at "
        "most p99. A percentile that too few calls tell is n/a. For single images the "
        "cascade's is put together from the calls timed at each exit and the share that leaves "
        "there; the interval holds the noise of both.",
    )
    return Table("latency", "How long a call takes", notes, columns, report.latency)


def _percentile(name: str, row: LatencyRow) -> str:
    return _latency(getattr(row, f"{name}_ms"))


def _latency(found: Interval | None) -> str:
    return MISSING if found is None else estimate(significant, found)


def worst(report: Report) -> Table[WorstRow]:
    """Return what the cascade costs if nobody leaves early."""
    columns: tuple[Column[WorstRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Cascade, no image leaves early, ms", lambda row: significant(row.ms)),
        RATIO,
    )
    notes = (
        "The worst case: every image runs to the end and has paid for all exits. Time an image, "
        "and its ratio over plain. A run of hard images costs this.",
    )
    return Table("worst", "If no image leaves early", notes, columns, report.worst)


def foretold(report: Report) -> Table[ForetoldRow]:
    """Return what images would cost at other exit rates."""
    columns: tuple[Column[ForetoldRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Leave early", lambda row: percent(row.early)),
        Column(
            "Cascade, ms",
            lambda row: interval(significant, row.ms, row.low, row.high),
        ),
        RATIO,
        Column(
            "Not gathered, ms, 95 % interval",
            lambda row: interval(
                significant, row.running_on_ms, row.running_on_low, row.running_on_high
            ),
        ),
        Column("Cascade, mJ, 95 % interval", _foretold_mj),
        Column("Energy ratio, 95 % interval", _foretold_energy_ratio),
    )
    notes = (
        "Predicted from the segments' times: an image, if another share left early, split among "
        "the exits as it was seen. Not gathered: the whole batch goes on while one image has not "
        "left. Joules come from the power that the cascade drew at the same batch and threads.",
    )
    return Table("foretold", "If more or fewer images left early", notes, columns, report.foretold)


def _foretold_mj(row: ForetoldRow) -> str:
    if row.joules is None or row.joules_low is None or row.joules_high is None:
        return MISSING
    return interval(significant, *(1e3 * j for j in (row.joules, row.joules_low, row.joules_high)))


def _foretold_energy_ratio(row: ForetoldRow) -> str:
    if row.joules_ratio is None or row.joules_ratio_low is None or row.joules_ratio_high is None:
        return MISSING
    return interval(ratio, row.joules_ratio, row.joules_ratio_low, row.joules_ratio_high)


def exits(report: Report) -> Table[ExitRow]:
    """Return who leaves where, how right they are and how long they took."""
    last = len(report.bundle.attach) + 1
    columns: tuple[Column[ExitRow], ...] = (
        *subject_columns(report),
        Column("Exit", lambda row: last_named(row.exit, last, "backbone's own head"), "word"),
        Column("Images that leave here", lambda row: percent(row.rate)),
        Column("Accuracy of those", lambda row: percent(row.accuracy)),
        Column(
            "Latency, ms",
            lambda row: interval(significant, row.latency_ms, row.latency_low, row.latency_high),
        ),
        Column("Timed on", _timed_on, "word"),
    )
    notes = (
        "Latency of an image that leaves at this exit: batch 1, one thread. Early exits keep the "
        "easy images, so the accuracies are of different images and do not compare.",
    )
    return Table("exits", "Exit by exit", notes, columns, report.exits)


def layouts(report: Report) -> tuple[Table[LayoutRow], ...]:
    """Return one file against segments; nothing where there is no such layout."""
    if not report.layouts:
        return ()
    last = len(report.bundle.attach) + 1
    columns: tuple[Column[LayoutRow], ...] = (
        *subject_columns(report),
        Column("Threads", lambda row: str(row.threads)),
        Column("Images that leave at", lambda row: _leaving(row.exit, last), "word"),
        Column("Segments, ms", lambda row: significant(row.segments_ms)),
        Column("One file, ms", lambda row: significant(row.one_file_ms)),
        Column("Ratio", lambda row: interval(ratio, row.ratio, row.ratio_low, row.ratio_high)),
    )
    notes = (
        LAYOUTS,
        *layout_sentences(report.layouts),
    )
    return (Table("layouts", "One file, or segments?", notes, columns, report.layouts),)


def _leaving(number: int | None, last: int) -> str:
    return "any exit" if number is None else last_named(number, last, "the last exit")


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
        "leaving after it less that of leaving before it; 'under' where it is lost in the noise. "
        "In the cascade later segments see fewer images, so they do not add up to it.",
    )
    return Table("segments", "Segment by segment", notes, columns, _side_by_side(report.segments))


def _worst(row: OperatingPointRow) -> str:
    return worst_points(row.worst_class)


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
    return Column(f"{name}, ms", lambda row: _segment(row.rows.get(segment)))


def _segment(row: SegmentRow | None) -> str:
    """Return the time, or under what it lies where it cannot be told from nothing."""
    if row is None:
        return MISSING
    return f"under {significant(row.high)}" if row.in_the_noise else significant(row.ms)


def _side_by_side(rows: Sequence[SegmentRow]) -> tuple[SegmentTimes, ...]:
    """Gather the segments of one batch and thread setting into one record."""
    grouped: dict[tuple[str, str, int, int], dict[int, SegmentRow]] = {}
    for row in rows:
        setting = (row.target, row.precision, row.batch, row.threads)
        grouped.setdefault(setting, {})[row.segment] = row
    return tuple(SegmentTimes(*setting, own) for setting, own in grouped.items())
