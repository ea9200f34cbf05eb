"""The report as tables: every column is said here once, for Markdown and HTML alike.

A `Table` holds records and the columns that read them. Its cells are plain text, not yet escaped:
that is the work of the renderer, which alone knows its format.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from calexnet.bench import overview
from calexnet.bench.conclusions import (
    VERDICTS,
    flip_sentences,
    one_point_sentences,
    slower_precisions,
)
from calexnet.bench.count_tables import count_tables
from calexnet.bench.device_tables import device, state
from calexnet.bench.energy_tables import energy_tables, glance_energy
from calexnet.bench.figures import (
    MISSING,
    amount,
    counted,
    interval,
    percent,
    points,
    ratio,
    signed_percent,
    significant,
)
from calexnet.bench.glossary import GLOSSARY
from calexnet.bench.interval import Interval
from calexnet.bench.memory_tables import memory_tables
from calexnet.bench.remedies import remedy
from calexnet.bench.results import (
    Alternative,
    AmortisationRow,
    Breach,
    CrossoverRow,
    ExitRow,
    ForetoldRow,
    LatencyRow,
    OperatingPointRow,
    Report,
    SegmentRow,
    WorstRow,
)
from calexnet.bench.table import (
    SETTING,
    Column,
    Table,
    facts,
    subject_columns,
    subjects_of,
)
from calexnet.costs import Macs


@dataclass(frozen=True)
class Comparison:
    """One line that sets plain beside cascade; every field as it is shown."""

    what: str
    plain: str
    cascade: str
    difference: str


@dataclass(frozen=True)
class StageWork:
    """MACs of one stage, with the branch and gate after it, and of the path up to its exit."""

    exit: int
    stage: int
    branch: int
    gate: int
    to_exit: float
    to_exit_own_head: float


@dataclass(frozen=True)
class SegmentTimes:
    """All segments at one batch and thread setting; `ms` is an image, by segment."""

    target: str
    precision: str
    batch: int
    threads: int
    ms: dict[int, float]


_COMPARISON: tuple[Column[Comparison], ...] = (
    Column("What", lambda c: c.what, "prose"),
    Column("Plain", lambda c: c.plain),
    Column("Cascade", lambda c: c.cascade),
    Column("Difference", lambda c: c.difference, "prose"),
)
_RATIO: Column[Any] = Column(
    "Ratio, 95 % interval",
    lambda row: interval(ratio, row.ratio, row.ratio_low, row.ratio_high),
)
_VERDICT: Column[Any] = Column("Verdict", lambda row: VERDICTS[row.verdict], "word")


def title(report: Report) -> str:
    """Return the report's own heading."""
    return f"Does the cascade pay? {report.bundle.backbone} on {report.device.model}"


def tables(report: Report) -> tuple[Table[Any], ...]:
    """Return every table of `report`, in the order to be read."""
    return (
        glance(report),
        overview.table(report),
        validity(report),
        alternatives(report),
        amortisation(report),
        crossover(report),
        operating_points(report),
        accuracy(report),
        latency(report),
        exits(report),
        worst(report),
        flops(report),
        stages(report.flops.macs),
        *count_tables(report),
        *memory_tables(report),
        *energy_tables(report),
        segments(report),
        device(report),
        state(report),
        bundle(report),
        data(report),
        provenance(report),
        kinds(report),
        glossary(),
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
        f"At the default operating point of {' '.join(subject)}, on "
        f"{counted(report.data.samples, 'image')}. Times and energy are at batch 1 on one thread."
    )
    found = (*lines, *_glance_energy(report, subject))
    return Table("glance", "At a glance", (note,), _COMPARISON, found)


def deciding(report: Report) -> Table[Alternative]:
    """Return the networks that the decision is about: the one, its rival, and the reference."""
    decided = report.decision
    names = dict.fromkeys(
        (decided.name, decided.against, *(a.name for a in report.alternatives[:1]))
    )
    found = {one.name: one for one in report.alternatives}
    rows = tuple(found[name] for name in names if name in found)
    columns = tuple(c for c in _alternative_columns(report) if c.title not in _NOT_DECIDING)
    return Table("deciding", "What decides", (), columns, rows)


def alternatives(report: Report) -> Table[Alternative]:
    """Return every network that could be shipped side by side, the fastest first."""
    reference = [one.name for one in report.alternatives[:1]]
    notes = (
        "Everything in the bundle that runs here and every rival, timed in the same blocks: single "
        "images, one thread. A cascade that is faster than its own plain network may still be "
        "slower than another target's.",
        *slower_precisions(report.alternatives),
        *(
            f"What is lost is against {name}, on the same images; at most "
            f"{100 * report.decision.tolerance:g} points are allowed."
            for name in reference
        ),
    )
    rows = tuple(sorted(report.alternatives, key=lambda row: row.ms))
    return Table("alternatives", "Side by side", notes, _alternative_columns(report), rows)


def _alternative_columns(report: Report) -> tuple[Column[Alternative], ...]:
    reference = {one.name: " (reference)" for one in report.alternatives[:1]}
    return (
        Column("Network", lambda row: row.name + reference.get(row.name, ""), "prose"),
        Column("Time an image, ms", lambda row: significant(row.ms)),
        Column("Loses, points, 95 % interval", lambda row: _estimate(points, row.drop)),
        Column("Keeps the accuracy", lambda row: _KEEPS[row.eligible], "word"),
        Column("Over the fastest plain, 95 % interval", lambda row: _estimate(ratio, row.ratio)),
        Column("Accuracy, 95 % interval", lambda row: _estimate(percent, row.accuracy)),
    )


_NOT_DECIDING = ("Over the fastest plain, 95 % interval", "Accuracy, 95 % interval")
_KEEPS = {True: "yes", False: "no", None: "not sure"}


def _estimate(show: Callable[[float], str], found: Interval) -> str:
    return interval(show, found.value, found.low, found.high)


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


def accuracy(report: Report) -> Table[tuple[str, str]]:
    """Return plain against cascade on the same images."""
    found = report.accuracy
    change = interval(points, found.change, found.change_low, found.change_high)
    return facts(
        "accuracy",
        "Accuracy",
        ("At the default operating point. The interval is paired: same images on both sides.",),
        (
            ("Test images", f"{found.samples:,}"),
            ("Plain", percent(found.plain)),
            ("Cascade", percent(found.cascade)),
            ("Change, points, 95 % interval", change),
            ("Images that only plain gets right", f"{found.plain_right_only:,}"),
            ("Images that only the cascade gets right", f"{found.cascade_right_only:,}"),
        ),
    )


def validity(report: Report) -> Table[Breach]:
    """Return the rules that the run broke, and how steady the machine was."""
    found = report.validity
    columns: tuple[Column[Breach], ...] = (
        Column("Rule", lambda row: row.rule, "word"),
        Column("Found", lambda row: row.found, "prose"),
        Column("Allowed", lambda row: row.limit or "none", "prose"),
        Column("What to do", lambda row: remedy(row.rule), "prose"),
    )
    seen = found.conditions
    notes = (
        "This run broke no rule." if found.valid else "This run broke the rules in this table.",
        f"Other processes used {percent(seen.foreign_share)} of the cores' time, the host of a "
        f"virtual machine took {percent(seen.steal_share)}. The slowest block took "
        f"{ratio(max(found.swing.values()))} times as long as the fastest; the last quarter of the "
        f"blocks {ratio(max(found.drift.values(), key=lambda x: abs(x - 1)))} times as long as the "
        "first. Ratios come from the same blocks, so that such swings cancel out.",
    )
    return Table("validity", "May these numbers be used", notes, columns, found.breaches)


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
    return MISSING if found is None else _estimate(significant, found)


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
        Column("Exit", lambda row: _last(row.exit, last, "backbone's own head"), "word"),
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


def flops(report: Report) -> Table[Comparison]:
    """Return the work saved beside the time saved, both ways of counting heads."""
    flop = report.flops
    plain = amount(flop.plain)
    own_head_saved = 1 - flop.cascade_own_head / flop.plain
    lines = (
        Comparison("FLOPs, all visited heads", plain, amount(flop.cascade), _saved(flop.saved)),
        Comparison(
            "FLOPs, own head only", plain, amount(flop.cascade_own_head), _saved(own_head_saved)
        ),
        Comparison(
            "Time, batch 1, one thread",
            percent(1.0),
            percent(1 - flop.time_saved),
            _saved(flop.time_saved),
        ),
    )
    notes = (
        f"Work: {_saved(flop.saved)}. Time: {_saved(flop.time_saved)}. They differ because time "
        "also pays for calls into the runtime, for memory and for handing images on.",
        "An image runs every head on its way, so the first line is the work that is really done. "
        "Some papers count only the head by which the image leaves; the second line is for them.",
    )
    return Table("flops", "FLOPs saved against time saved", notes, _COMPARISON, lines)


def stages(macs: Macs) -> Table[StageWork]:
    """Return the work of the parts."""
    last = len(macs.stages)
    columns: tuple[Column[StageWork], ...] = (
        Column("Stage", lambda row: _last(row.exit, last, "tail"), "word"),
        Column("Stage, MACs", lambda row: amount(row.stage)),
        Column("Branch head, MACs", lambda row: amount(row.branch)),
        Column("Gate, MACs", lambda row: amount(row.gate)),
        Column("Up to this exit, all heads", lambda row: amount(row.to_exit)),
        Column("Up to this exit, own head", lambda row: amount(row.to_exit_own_head)),
    )
    notes = ("Of one image. One MAC is two FLOPs. Only convolutions and linear layers count.",)
    return Table("stages", "Work stage by stage", notes, columns, _stage_work(macs))


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


def bundle(report: Report) -> Table[tuple[str, str]]:
    """Return what was measured."""
    found = report.bundle
    return facts(
        "bundle",
        "Bundle",
        (),
        (
            ("Path", found.path),
            ("SHA-256", found.sha256),
            ("Backbone", found.backbone),
            ("Branches attached at", ", ".join(found.attach)),
            ("Branch head", found.head),
            ("Targets and precisions", ", ".join(map(" ".join, subjects_of(report)))),
            ("Default operating point", found.operating_point),
            ("Method of training", found.method),
        ),
    )


def data(report: Report) -> Table[tuple[str, str]]:
    """Return the images it was measured on."""
    found = report.data
    part = {"all": "all (vouched for by the user as not used in training)"}
    return facts(
        "data",
        "Data",
        (),
        (
            ("Source", found.source),
            ("Part", part.get(found.part, found.part)),
            ("Images", f"{found.samples:,}"),
            ("SHA-256", found.sha256 or MISSING),
        ),
    )


def provenance(report: Report) -> Table[tuple[str, str]]:
    """Return how the numbers came to be."""
    found = report.provenance
    versions = ", ".join(f"{name} {version}" for name, version in found.versions.items())
    providers = ", ".join(f"{name}: {provider}" for name, provider in found.providers.items())
    return facts(
        "provenance",
        "Provenance",
        (),
        (
            ("Command", found.command),
            ("Started", found.started),
            ("Took", f"{significant(found.seconds)} s"),
            ("Interleaved blocks", str(found.blocks)),
            ("Clock", found.clock),
            ("Load", found.load),
            ("Seed of the orders", str(found.seed)),
            ("Versions", versions),
            ("Back ends in use", providers or MISSING),
            ("Schema of the report", str(report.schema)),
        ),
    )


def kinds(report: Report) -> Table[tuple[str, str]]:
    """Return which figures are not plainly measured."""
    return Table(
        "kinds",
        "Kinds of figures",
        (
            "Predicted figures come from the cost model, counted ones from the graphs, estimated "
            "ones from a rated power. All others were measured on this device.",
        ),
        (
            Column("Figure", lambda pair: pair[0], "prose"),
            Column("Kind", lambda pair: pair[1], "prose"),
        ),
        tuple(report.provenance.kinds.items()),
    )


def glossary() -> Table[tuple[str, str]]:
    """Return the words that a newcomer needs."""
    return Table(
        "glossary",
        "Words",
        (),
        (
            Column("Word", lambda pair: pair[0], "word"),
            Column("Meaning", lambda pair: pair[1], "prose"),
        ),
        GLOSSARY,
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
        f"{_change(row)} points",
    )
    yield Comparison(
        "FLOPs an image", amount(2 * plain_macs), amount(2 * row.macs), _saved(1 - row.macs_ratio)
    )


def _glance_energy(report: Report, subject: tuple[str, str]) -> Iterable[Comparison]:
    for row in report.energy:
        if (row.target, row.precision, row.batch, row.threads) == (*subject, 1, 1):
            yield Comparison("Energy an image", *glance_energy(row))


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


def _last(number: int, last: int, name: str) -> str:
    return f"{number} ({name})" if number == last else str(number)


def _saved(share: float) -> str:
    return f"{percent(abs(share))} {'saved' if share >= 0 else 'more'}"


def _stage_work(macs: Macs) -> tuple[StageWork, ...]:
    """Return one record a stage; the tail has neither branch nor gate."""
    parts = zip(
        macs.stages,
        (*macs.branches, 0),
        (*macs.gates, 0),
        macs.to_exit().tolist(),
        macs.to_exit(own_head_only=True).tolist(),
        strict=True,
    )
    return tuple(StageWork(number, *part) for number, part in enumerate(parts, start=1))


def _segment_column(segment: int, last: int) -> Column[SegmentTimes]:
    name = f"Segment {_last(segment, last, 'tail')}" if segment else "Plain"
    return Column(f"{name}, ms", lambda row: significant(row.ms.get(segment)))


def _side_by_side(rows: Sequence[SegmentRow]) -> tuple[SegmentTimes, ...]:
    """Gather the segments of one batch and thread setting into one record."""
    grouped: dict[tuple[str, str, int, int], dict[int, float]] = {}
    for row in rows:
        setting = (row.target, row.precision, row.batch, row.threads)
        grouped.setdefault(setting, {})[row.segment] = row.ms
    return tuple(SegmentTimes(*setting, ms) for setting, ms in grouped.items())
