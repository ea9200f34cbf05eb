"""What the report says of energy: plain beside cascade, exit by exit, and how it was measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from calexnet.bench.model.settings import by_setting
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import (
    EnergyComparison,
    EnergyCost,
    EnergyCrossoverRow,
    EnergyMethod,
    EnergyRow,
    ExitEnergyRow,
)
from calexnet.bench.report.times import Verdict
from calexnet.bench.words.conclusions import UNTOLD, setting_name
from calexnet.bench.words.figures import (
    MISSING,
    NOT_RECORDED,
    counted,
    interval,
    listed,
    percent,
    ratio,
    signed_percent,
    significant,
)
from calexnet.bench.words.tables.table import (
    SETTING,
    Column,
    Table,
    facts,
    subject_columns,
    with_unit,
)

#: Who uses less, in words.
VERDICTS: dict[Verdict, str] = {
    "cascade": "cascade uses less",
    "plain": "plain uses less",
    "unclear": "unclear",
}


def energy_tables(report: Report) -> tuple[Table[Any], ...]:
    """Return every table about energy, in the order to be read."""
    estimated = any(row.plain_estimated_j is not None for row in report.energy)
    return (
        energy(report),
        *((exit_energy(report),) if _measured(report.exit_energy) else ()),
        *((crossover(report),) if report.energy_crossover else ()),
        *((estimate(report),) if estimated else ()),
        method(report),
    )


_JOULES: tuple[Column[EnergyRow], ...] = (
    Column("Plain, mJ", lambda row: _cost_mj(_plain(row.gross))),
    Column("Cascade, mJ", lambda row: _cost_mj(_cascade(row.gross))),
    Column("Ratio", lambda row: _ratio(row.gross)),
    Column("Verdict", lambda row: _verdict(row), "word"),
    Column("Plain above idle, mJ", lambda row: _cost_mj(_plain(row.net))),
    Column("Cascade above idle, mJ", lambda row: _cost_mj(_cascade(row.net))),
    Column("Ratio above idle", lambda row: _ratio(row.net)),
)


def energy(report: Report) -> Table[EnergyRow]:
    """Return energy and processor time an image; without a sensor, why not."""
    columns: tuple[Column[EnergyRow], ...] = (
        *subject_columns(report),
        *SETTING,
        *(_JOULES if _measured(report.energy) else ()),
        Column("Plain, CPU-seconds / 1000", lambda row: significant(1e3 * row.plain_cpu_s)),
        Column("Cascade, CPU-seconds / 1000", lambda row: significant(1e3 * row.cascade_cpu_s)),
    )
    notes = (
        *_unmeasured(report.energy, report.energy_method),
        *_remedies(report.energy_method),
        *energy_sentences(report.energy),
        *_crossover_sentences(report),
        "An image. Above idle means: less what the device uses when nothing runs. CPU-seconds are "
        "the processor time of this process on all its threads, over the blocks of the times; they "
        "are not energy.",
    )
    return Table("energy", "Energy and processor time", notes, columns, report.energy)


def _measured(rows: Sequence[EnergyRow] | Sequence[ExitEnergyRow]) -> bool:
    """Return whether there is a figure in joules, so that columns for them are not empty."""
    return any(row.gross is not None for row in rows)


def _unmeasured(
    rows: Sequence[EnergyRow] | Sequence[ExitEnergyRow], method: EnergyMethod | None
) -> Iterable[str]:
    """Yield why rows hold no joules, each reason once."""
    reasons = dict.fromkeys(unmeasured(row, method) for row in rows if row.gross is None)
    return (f"Not measured: {reason.rstrip('.')}." for reason in reasons)


def unmeasured(row: EnergyRow | ExitEnergyRow, method: EnergyMethod | None) -> str:
    """Return why a row holds no joules: what its sensor said, or why there is none."""
    return row.message or _no_sensor(method)


def _no_sensor(method: EnergyMethod | None) -> str:
    if method is None:
        return NOT_RECORDED
    if not method.refused:
        return "no windows were asked for"
    return "; ".join(f"{name}: {why}" for name, why in method.refused.items())


def _remedies(found: EnergyMethod | None) -> Iterable[str]:
    if found is not None and found.remedies:
        steps = "; ".join(f"{name}: {fix.rstrip('.')}" for name, fix in found.remedies.items())
        yield f"What would measure it: {steps}."


def exit_energy(report: Report) -> Table[ExitEnergyRow]:
    """Return what an image uses that leaves at each exit."""
    columns: tuple[Column[ExitEnergyRow], ...] = (
        *subject_columns(report),
        Column("Exit", lambda row: str(row.exit), "word"),
        Column("Images that leave here", lambda row: percent(row.rate)),
        Column("Energy, mJ", lambda row: _cost_mj(row.gross)),
        Column("Above idle, mJ", lambda row: _cost_mj(row.net)),
    )
    notes = (
        *_unmeasured(report.exit_energy, report.energy_method),
        "Of an image that leaves at this exit: batch 1, one thread.",
    )
    return Table("exit-energy", "Energy exit by exit", notes, columns, report.exit_energy)


def estimate(report: Report) -> Table[EnergyRow]:
    """Return what the processor-seconds would come to at its rated power."""
    columns: tuple[Column[EnergyRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Plain, mJ, estimated", lambda row: _estimate_mj(row.plain_estimated_j)),
        Column("Cascade, mJ, estimated", lambda row: _estimate_mj(row.cascade_estimated_j)),
    )
    watts = report.energy_method.cpu_tdp_w if report.energy_method else None
    notes = (
        f"Estimated, not measured: processor-seconds times {significant(watts)} W, the rated power "
        "that was given, over all cores. Clocks, idle states and memory do not enter. Good for "
        "ranking runs on one machine, no more.",
    )
    return Table("estimate", "Energy, estimated", notes, columns, report.energy)


def method(report: Report) -> Table[tuple[str, str]]:
    """Return how energy was measured, or what stood in the way."""
    found = report.energy_method or EnergyMethod(None, {})
    pairs = [*_source(found), *_windows(found), *_probe(found)]
    pairs += [(f"Not usable: {name}", why) for name, why in found.refused.items()]
    return facts("energy-method", "How energy was measured", (), tuple(pairs))


def energy_sentences(rows: Sequence[EnergyRow]) -> tuple[str, ...]:
    """Return who uses less, setting by setting; nothing where nothing was measured."""
    measured = [row for row in rows if row.gross is not None]
    sentences = []
    for setting, group in by_setting(measured).items():
        parts = []
        for verdict, words in VERDICTS.items():
            batches = [
                f"{row.batch} (ratio {_short_ratio(row.gross)})"
                for row in group
                if row.gross is not None and row.gross.verdict == verdict
            ]
            if batches:
                parts.append(f"{words} at batch {listed(batches)}")
        sentences.append(f"Energy with {setting_name(measured, setting)}: {'; '.join(parts)}.")
    return tuple(sentences)


def _crossover_sentences(report: Report) -> Iterable[str]:
    """Yield where joules break even for single images, whose exits were measured one by one."""
    for row in report.energy_crossover:
        if row.recombined_j is None or row.reason is not None:
            continue
        rate = row.break_even_exit_rate
        words = (
            "even if every image left early, the cascade would use more"
            if rate is None
            else f"plain and cascade use the same if {_break_even(row)} of the images leave early"
        )
        yield (
            f"Break-even in joules, predicted, at batch 1 on one thread: {words}; "
            f"{percent(row.observed_exit_rate)} do. The exits' joules, recombined, come to "
            f"{significant(1e3 * row.recombined_j)} mJ, {significant(1e3 * row.cascade_j)} mJ were "
            f"measured ({signed_percent(row.recombined_j / row.cascade_j - 1)})."
        )


def crossover(report: Report) -> Table[EnergyCrossoverRow]:
    """Return the exit rate at which joules break even beside the one that was seen."""
    columns: tuple[Column[EnergyCrossoverRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Break-even exit rate in joules (predicted), 95 % interval", _break_even),
        Column("Observed exit rate", lambda row: percent(row.observed_exit_rate)),
    )
    notes = (
        "If more images leave early than that, the cascade saves energy. For single images on one "
        "thread it comes from the exits' own joules, else from the foretold time and the power "
        "that the cascade drew.",
    )
    title = "Where the cascade saves energy"
    return Table("energy-crossover", title, notes, columns, report.energy_crossover)


def _break_even(row: EnergyCrossoverRow) -> str:
    if row.break_even_exit_rate is None:
        return f"{MISSING} ({'never saves' if row.reason is None else UNTOLD[row.reason]})"
    high = row.break_even_high
    ends = f"{percent(row.break_even_low)} to {'never' if high is None else percent(high)}"
    return f"{percent(row.break_even_exit_rate)} ({ends})"


def _source(found: EnergyMethod) -> list[tuple[str, str]]:
    source = found.source
    if source is None:
        return [("Sensor", f"{MISSING}: {_no_sensor(found)}")]
    what = {
        "counter": f"counter of joules, ticks every {significant(1e3 * source.tick_s)} ms",
        "power": f"watts, read every {significant(1e3 * source.period_s)} ms",
    }[source.kind]
    if source.averaging_s:
        what += f", each the mean of {significant(1e3 * source.averaging_s)} ms"
    return [
        ("Sensor", f"{source.name}: {what}"),
        ("Covers", source.covers),
        ("Rails", f"{', '.join(source.rails) or 'one'} ({source.total})"),
    ]


def _windows(found: EnergyMethod) -> list[tuple[str, str]]:
    if found.source is None:
        return []
    idle = (with_unit(found.idle_before_w, "W"), with_unit(found.idle_after_w, "W"))
    why = f" ({found.idle_message})" if found.idle_message else ""
    return [
        ("Windows", f"{found.windows} a figure, {significant(found.window_s)} s each at least"),
        ("Idle power", f"{idle[0]} before, {idle[1]} after{why}"),
    ]


def _probe(found: EnergyMethod) -> list[tuple[str, str]]:
    cost = found.probe
    if cost is None:
        return []
    slowdown = interval(ratio, cost.slowdown, cost.slowdown_low, cost.slowdown_high)
    return [
        (
            "What reading costs",
            f"{counted(cost.readings, 'reading')} of {significant(cost.read_ms)} ms; "
            f"{percent(cost.cpu_share)} of a core; plain takes {slowdown} times as long beside it",
        )
    ]


def glance_energy(row: EnergyRow) -> tuple[str, str, str]:
    """Return plain, cascade and their ratio as the summary shows them."""
    if row.gross is None:
        return MISSING, MISSING, MISSING
    plain, cascade = row.gross.plain.joules, row.gross.cascade.joules
    return with_unit(plain, "J"), with_unit(cascade, "J"), f"ratio {_ratio(row.gross)}"


def _cost_mj(cost: EnergyCost | None) -> str:
    if cost is None:
        return MISSING
    return interval(_mj, cost.joules, cost.low, cost.high)


def _verdict(row: EnergyRow) -> str:
    return MISSING if row.gross is None else VERDICTS[row.gross.verdict]


def _plain(found: EnergyComparison | None) -> EnergyCost | None:
    return None if found is None else found.plain


def _cascade(found: EnergyComparison | None) -> EnergyCost | None:
    return None if found is None else found.cascade


def _mj(joules: float) -> str:
    """Return millijoules; what lies below a picojoule is the arithmetic's, not the sensor's."""
    return significant(1e3 * round(joules, 12))


def _estimate_mj(joules: float | None) -> str:
    return MISSING if joules is None else f"~{significant(1e3 * joules)}"


def _ratio(found: EnergyComparison | None) -> str:
    if found is None or found.ratio is None:
        return MISSING
    assert found.ratio_low is not None
    assert found.ratio_high is not None
    return interval(ratio, found.ratio, found.ratio_low, found.ratio_high)


def _short_ratio(found: EnergyComparison | None) -> str:
    return MISSING if found is None or found.ratio is None else ratio(found.ratio)
