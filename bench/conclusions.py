"""From rows to sentences: where the verdict flips, and the questions that users ask first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from calexnet.bench.decision_records import Alternative
from calexnet.bench.energy_records import EnergyRow
from calexnet.bench.figures import counted, listed, percent, points, ratio, significant
from calexnet.bench.results import Accuracy
from calexnet.bench.time_records import (
    AmortisationRow,
    CrossoverRow,
    Flip,
    OperatingPointRow,
    Verdict,
)
from calexnet.manifest import FULL

Row = TypeVar("Row", AmortisationRow, CrossoverRow, EnergyRow)

#: Target, precision and threads: what stays the same along one line of a plot.
Setting = tuple[str, str, int]

VERDICTS: dict[Verdict, str] = {
    "cascade": "cascade is faster",
    "plain": "plain is faster",
    "unclear": "unclear",
}

_ONE_POINT = 0.01


def headline(
    amortisation: Sequence[AmortisationRow],
    crossover: Sequence[CrossoverRow],
    operating_points: Sequence[OperatingPointRow],
    accuracy: Accuracy,
) -> tuple[str, ...]:
    """Return what the tables come to, a sentence each."""
    ratios = {_cell(row): row.ratio for row in amortisation}
    speeds = [
        f"With {setting_name(crossover, setting)}: {_verdicts(rows, ratios)}."
        for setting, rows in by_setting(crossover).items()
    ]
    interval = f"{points(accuracy.change_low)} to {points(accuracy.change_high)}"
    several = len(subjects(crossover)) > 1
    where = f" on {accuracy.target} {accuracy.precision}" if several else ""
    answered = (
        f"The cascade{where} answers {percent(accuracy.cascade)} of "
        f"{counted(accuracy.samples, 'image')} rightly, the plain backbone "
        f"{percent(accuracy.plain)}: a change of {points(accuracy.change)} points ({interval})."
    )
    unused = _unused_exit(operating_points)
    return (*speeds, answered, *one_point_sentences(operating_points), *unused)


def slower_precisions(alternatives: Sequence[Alternative]) -> tuple[str, ...]:
    """Return which narrower precisions of a target are slower here than its full one, for sure."""
    plain = [row for row in alternatives if row.kind == "plain"]
    full = {row.target: row for row in plain if row.precision == FULL}
    return tuple(
        f"On {row.target}, {row.precision} is slower here than {FULL}: plain takes "
        f"{significant(row.ms)} ms an image against {significant(full[row.target].ms)}."
        for row in plain
        if row.target in full and row.ratio.low > full[row.target].ratio.high
    )


def flips(crossover: Sequence[CrossoverRow]) -> tuple[Flip, ...]:
    """Return where the verdict changes sides, from one clear batch size to the next clear one."""
    found = []
    for (target, precision, threads), rows in by_setting(crossover).items():
        clear = sorted((r for r in rows if r.verdict != "unclear"), key=lambda row: row.batch)
        found += [
            Flip(
                target=target,
                precision=precision,
                threads=threads,
                from_batch=before.batch,
                from_verdict=before.verdict,
                to_batch=after.batch,
                to_verdict=after.verdict,
            )
            for before, after in pairwise(clear)
            if before.verdict != after.verdict
        ]
    return tuple(found)


def flip_sentences(crossover: Sequence[CrossoverRow]) -> tuple[str, ...]:
    """Return, for every setting, where the verdict changes sides, or that it never does."""
    sentences: list[str] = []
    for setting, rows in by_setting(crossover).items():
        name = setting_name(crossover, setting)
        sentences += [_flip(name, flip) for flip in flips(rows)] or [_no_flip(name, rows)]
    return tuple(sentences)


def one_point_sentences(operating_points: Sequence[OperatingPointRow]) -> tuple[str, ...]:
    """Return the answer to "which margin costs me one point?", for every subject."""
    sentences = []
    for subject in subjects(operating_points):
        rows = [row for row in operating_points if (row.target, row.precision) == subject]
        where = f"{' '.join(subject)}: " if len(subjects(operating_points)) > 1 else ""
        sentences.append(where + _one_point(rows))
    return tuple(sentences)


def subjects(rows: Iterable[Any]) -> tuple[tuple[str, str], ...]:
    """Return the (target, precision) pairs that `rows` are about, in their order."""
    return tuple(dict.fromkeys((row.target, row.precision) for row in rows))


def by_setting(rows: Iterable[Row]) -> dict[Setting, list[Row]]:
    """Gather rows by target, precision and threads, in the order in which these first come."""
    grouped: dict[Setting, list[Row]] = {}
    for row in rows:
        grouped.setdefault((row.target, row.precision, row.threads), []).append(row)
    return grouped


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


def _one_point(rows: Sequence[OperatingPointRow]) -> str:
    """Return the fastest of `rows` that lose at most one point, in a sentence or two."""
    affordable = [row for row in rows if row.change >= -_ONE_POINT]
    if not affordable:
        return "Every operating point loses more than one point of accuracy."
    best = min(affordable, key=lambda row: row.ratio)
    sentence = (
        f"For at most one point of accuracy the fastest operating point is {best.name}: "
        f"ratio {ratio(best.ratio)}, change {points(best.change)} points."
    )
    if best.change_low < -_ONE_POINT:
        sentence += f" The loss may be larger: the interval reaches {points(best.change_low)}."
    if best.verdict != "cascade":
        sentence += " It is not clearly faster than plain."
    return sentence


def _unused_exit(operating_points: Sequence[OperatingPointRow]) -> tuple[str, ...]:
    """Return a hint about branches that every image visits and none leaves by."""
    rates = [row.exit_rates[:-1] for row in operating_points if row.default]
    unused = [
        str(number)
        for number, at_exit in enumerate(zip(*rates, strict=True), start=1)
        if not any(at_exit)
    ]
    if not unused:
        return ()
    return (
        f"No image leaves at exit {listed(unused)}, yet every image that gets there pays for its "
        "head: try a larger margin, or train without that attach point.",
    )
