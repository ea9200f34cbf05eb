"""From rows to sentences: where the verdict flips, and the questions that users ask first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import Any

from calexnet.bench.model import statistics
from calexnet.bench.model.settings import Setting, by_setting, flips, subjects
from calexnet.bench.report.decision import Alternative
from calexnet.bench.report.document import Accuracy, BuildRecord
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import (
    AmortisationRow,
    CrossoverRow,
    Flip,
    LayoutRow,
    OperatingPointRow,
    Untold,
    Verdict,
)
from calexnet.bench.words.figures import (
    at_most,
    changed_between,
    counted,
    interval,
    listed,
    percent,
    ratio,
    significant,
)
from calexnet.bench.words.strictness import looser
from calexnet.manifest import FULL

#: Why no break-even rate is told.
UNTOLD: dict[Untold, str] = {"nobody leaves": "nobody leaves early, so no mix of exits was seen"}

VERDICTS: dict[Verdict, str] = {
    "cascade": "cascade is faster",
    "plain": "plain is faster",
    "unclear": "unclear",
}


def headline(
    amortisation: Sequence[AmortisationRow],
    crossover: Sequence[CrossoverRow],
    operating_points: Sequence[OperatingPointRow],
    accuracy: Accuracy,
    max_drop: float,
) -> tuple[str, ...]:
    """Return what the tables come to, a sentence each; `max_drop` is what may be lost, 0..1."""
    ratios = {_cell(row): row.ratio for row in amortisation}
    speeds = [
        f"With {setting_name(crossover, setting)}: {_verdicts(rows, ratios)}."
        for setting, rows in by_setting(crossover).items()
    ]
    change = changed_between(accuracy.change, accuracy.change_low, accuracy.change_high)
    several = len(subjects(crossover)) > 1
    where = f" on {accuracy.target} {accuracy.precision}" if several else ""
    answered = (
        f"The cascade{where} answers {percent(accuracy.cascade)} of "
        f"{counted(accuracy.samples, 'image')} rightly, plain "
        f"{percent(accuracy.plain)}: the cascade {change}."
    )
    unused = _unused_exit(operating_points)
    points = affordable_sentences(operating_points, max_drop)
    return (*speeds, answered, *never_early(operating_points), *points, *unused)


def never_early(operating_points: Sequence[OperatingPointRow]) -> tuple[str, ...]:
    """Return which builds let no image out early at the operating point that they ship with."""
    return tuple(
        f"On {row.target} {row.precision} no image exits early at {row.name}: each pays for plain "
        f"and for the heads too. Try {looser(row)}, or ship plain."
        for row in operating_points
        if row.default and not any(row.exit_rates[:-1])
    )


def slower_precisions(alternatives: Sequence[Alternative]) -> tuple[str, ...]:
    """Return which narrower precisions of a target are slower here than its full one, for sure."""
    plain = [row for row in alternatives if row.kind == "plain"]
    full = {row.target: row for row in plain if row.precision == FULL}
    return tuple(
        f"On {row.target}, {row.precision} is slower here than {FULL}: for one image on one thread "
        f"plain takes {significant(row.ms)} ms against {significant(full[row.target].ms)}."
        for row in plain
        if row.target in full and row.ratio.low > full[row.target].ratio.high
    )


def layout_sentences(rows: Sequence[LayoutRow]) -> tuple[str, ...]:
    """Return whether one file or segments are faster, for every setting, and exit by exit."""
    return tuple(
        _layout(found[0], found[1:], f"{target} {precision} with {counted(threads, 'thread')}")
        for (target, precision, threads), found in by_setting(rows).items()
    )


def _layout(whole: LayoutRow, exits: Sequence[LayoutRow], where: str) -> str:
    """Return a setting's sentence; its first row is of images as they come."""
    said = {
        "cascade": "One file is faster than segments",
        "plain": "Segments are faster than one file",
        "unclear": "It is unclear whether one file or segments are faster",
    }[_verdict_of(whole)]
    names = [*(f"exit {row.exit}" for row in exits[:-1]), "the last exit"]
    by_exit = [
        f"{ratio(row.ratio)}{'?' * (_verdict_of(row) == 'unclear')} at {name}"
        for name, row in zip(names, exits, strict=True)
    ]
    return (
        f"{said} on {where}: a single image takes {significant(whole.one_file_ms)} ms with all "
        f"exits in one graph, {significant(whole.segments_ms)} ms segment by segment, ratio "
        f"{interval(ratio, whole.ratio, whole.ratio_low, whole.ratio_high)}; for images that "
        f"leave at one exit it is {listed(by_exit)}."
    )


def _verdict_of(row: LayoutRow) -> Verdict:
    return statistics.verdict(Interval(row.ratio, row.ratio_low, row.ratio_high))


def prediction_sentences(rows: Sequence[AmortisationRow]) -> tuple[str, ...]:
    """Return how far predicted times are off, beside the noise of those that check them."""
    if not rows:
        return ()
    worst = max(rows, key=_miss)
    name = setting_name(rows, (worst.target, worst.precision, worst.threads))
    where = f"batch {worst.batch}, {name}"
    held = sum(row.prediction_holds for row in rows)
    return (
        f"Checked against {counted(len(rows), 'measured time')}, the prediction is typically off "
        f"by {percent(median(map(_miss, rows)))}, and by {percent(_miss(worst))} at most "
        f"({where}); the measured times are themselves only good to "
        f"{percent(median(map(prediction_noise, rows)))}, and {held} of {len(rows)} predictions "
        "lie within their noise.",
    )


def prediction_noise(row: AmortisationRow) -> float:
    """Return how far a prediction may be off for noise alone, as a share of the measured time."""
    return (row.prediction_high - row.prediction_low) / 2 / row.cascade_ms


def _miss(row: AmortisationRow) -> float:
    return abs(row.predicted_cascade_ms / row.cascade_ms - 1)


def missing_int8(
    alternatives: Sequence[Alternative], builds: Sequence[BuildRecord]
) -> tuple[str, ...]:
    """Return how to measure plain at int8, what would be shipped without a cascade, if it is not.

    Args:
        alternatives: What was measured.
        builds: What the bundle holds.
    """
    targets = [row.target for row in alternatives if row.kind == "plain"]
    if not targets or any(row.kind == "plain" and _is_int8(row) for row in alternatives):
        return ()
    said = "Plain at int8, what would be shipped without a cascade, is missing here: "
    if any(map(_is_int8, builds)):
        return (f"{said}the bundle has it, so measure without --target and --precision.",)
    precision = "int8-symmetric" if targets[0].startswith("tensorrt") else "int8"
    command = f"--target {targets[0]} --precision {precision} --calib-data DATA"
    return (f"{said}add it with calexnet-export BUNDLE {command}.",)


def _is_int8(found: Alternative | BuildRecord) -> bool:
    return found.precision.startswith("int8")


def flip_sentences(crossover: Sequence[CrossoverRow]) -> tuple[str, ...]:
    """Return, for every setting, where the verdict changes sides, or that it never does."""
    sentences: list[str] = []
    for setting, rows in by_setting(crossover).items():
        name = setting_name(crossover, setting)
        sentences += [_flip(name, flip) for flip in flips(rows)] or [_no_flip(name, rows)]
    return tuple(sentences)


def affordable_sentences(
    operating_points: Sequence[OperatingPointRow], max_drop: float
) -> tuple[str, ...]:
    """Return the fastest operating point that keeps the accuracy, for every subject."""
    sentences = []
    for subject in subjects(operating_points):
        rows = [row for row in operating_points if (row.target, row.precision) == subject]
        where = f"{' '.join(subject)}: " if len(subjects(operating_points)) > 1 else ""
        sentences.append(where + _affordable(rows, max_drop))
    return tuple(sentences)


def setting_name(rows: Iterable[Any], setting: Setting) -> str:
    """Return what tells `setting` from the others of `rows`."""
    target, precision, threads = setting
    name = counted(threads, "thread")
    return name if len(subjects(rows)) == 1 else f"{target} {precision}, {name}"


def _cell(row: AmortisationRow | CrossoverRow) -> tuple[str, str, int, int]:
    return row.target, row.precision, row.threads, row.batch


def _verdicts(rows: Sequence[CrossoverRow], ratios: dict[tuple[str, str, int, int], float]) -> str:
    found = []
    for verdict, words in VERDICTS.items():
        batches = [
            f"{row.batch} (ratio {ratio(ratios[_cell(row)])})"
            for row in rows
            if row.verdict == verdict
        ]
        if batches:
            found.append(f"{words} at batch {listed(batches)}")
    return "; ".join(found)


def _flip(name: str, flip: Flip) -> str:
    return (
        f"With {name} the verdict flips between batch {flip.from_batch} "
        f"({VERDICTS[flip.from_verdict]}) and batch {flip.to_batch} "
        f"({VERDICTS[flip.to_verdict]})."
    )


def _no_flip(name: str, rows: Sequence[CrossoverRow]) -> str:
    """Return that nothing flips, and the verdict of every batch."""
    found = []
    for verdict, words in VERDICTS.items():
        batches = [str(row.batch) for row in rows if row.verdict == verdict]
        if batches:
            found.append(f"{words} at batch {listed(batches)}")
    if len(rows) == 1:
        return f"With {name} one batch was measured, so no flip could show: {found[0]}."
    return f"With {name} the verdict never flips: {'; '.join(found)}."


def _affordable(rows: Sequence[OperatingPointRow], max_drop: float) -> str:
    """Return the fastest of `rows` that is certified, in a sentence or two."""
    sure = [row for row in rows if row.keeps]
    if not sure:
        lost = [row for row in rows if row.keeps is False]
        verb = "surely loses more" if len(lost) == len(rows) else "is certified to lose so little"
        who = "Every" if len(lost) == len(rows) else "No"
        return f"At most {at_most(max_drop)} may be lost. {who} operating point {verb}."
    best = min(sure, key=lambda row: row.ratio)
    sentence = (
        f"Of the operating points that are certified to lose at most {at_most(max_drop)} of "
        f"accuracy, {best.name} is the fastest: ratio {ratio(best.ratio)}, and it "
        f"{changed_between(best.change, best.change_low, best.change_high)}."
    )
    if best.verdict != "cascade":
        sentence += " It is not clearly faster than plain."
    return sentence


def _unused_exit(operating_points: Sequence[OperatingPointRow]) -> tuple[str, ...]:
    """Return a hint about branches that every image visits and none leaves by."""
    default = [row for row in operating_points if row.default]
    rates = [row.exit_rates[:-1] for row in default]
    unused = [
        str(number)
        for number, at_exit in enumerate(zip(*rates, strict=True), start=1)
        if not any(at_exit)
    ]
    if not unused:
        return ()
    return (
        f"No image leaves at exit {listed(unused)}, yet every image that gets there pays for "
        f"asking: try {looser(default[0])}, or train without that attach point.",
    )
