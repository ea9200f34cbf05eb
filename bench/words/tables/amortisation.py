"""What an image costs by batch size, and how many have to leave early for a cascade to pay."""

from __future__ import annotations

from typing import Any

from calexnet.bench.report.document import Report
from calexnet.bench.report.times import AmortisationRow, CrossoverRow
from calexnet.bench.words.conclusions import (
    UNTOLD,
    VERDICTS,
    flip_sentences,
    prediction_noise,
    prediction_sentences,
)
from calexnet.bench.words.figures import (
    MISSING,
    interval,
    percent,
    ratio,
    signed_percent,
    significant,
)
from calexnet.bench.words.tables.table import SETTING, Column, Table, subject_columns

RATIO: Column[Any] = Column(
    "Ratio",
    lambda row: interval(ratio, row.ratio, row.ratio_low, row.ratio_high),
)
VERDICT: Column[Any] = Column("Verdict", lambda row: VERDICTS[row.verdict], "word")


def amortisation(report: Report) -> Table[AmortisationRow]:
    """Return what an image costs at each batch size."""
    columns: tuple[Column[AmortisationRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Plain, ms", lambda row: significant(row.plain_ms)),
        Column("Cascade, ms", lambda row: significant(row.cascade_ms)),
        RATIO,
        Column("Predicted cascade, ms", lambda row: significant(row.predicted_cascade_ms)),
        Column(
            "Prediction error",
            lambda row: signed_percent(row.predicted_cascade_ms / row.cascade_ms - 1),
        ),
        Column(
            "Noise of the measured time", lambda row: f"\u00b1 {percent(prediction_noise(row))}"
        ),
        Column("Within the noise", lambda row: "yes" if row.prediction_holds else "no", "word"),
    )
    notes = (
        "Time an image, in ms: the time of one call, divided by the images in it (the batch). "
        "Plain and cascade were measured in turns; the ratio is cascade over plain.",
        "The prediction comes from the exits' own times and the share of images at each. It is "
        "there to check the cost model: its error is against the cascade on the test images in "
        "mixed order.",
        *prediction_sentences(report.amortisation),
    )
    return Table("amortisation", "Time by batch size", notes, columns, report.amortisation)


def crossover(report: Report) -> Table[CrossoverRow]:
    """Return the exit rate that is needed beside the one that was seen."""
    columns: tuple[Column[CrossoverRow], ...] = (
        *subject_columns(report),
        *SETTING,
        Column("Must leave early to break even (predicted)", _break_even, "figure"),
        Column("Leave early here", lambda row: percent(row.observed_exit_rate)),
        VERDICT,
    )
    notes = (
        *flip_sentences(report.crossover),
        "The cascade breaks even if so many images leave early that it costs what plain costs. If "
        "more leave than that, it pays. The verdict is unclear if the interval of the ratio holds "
        "1.",
    )
    return Table("crossover", "How many images must leave early", notes, columns, report.crossover)


def _break_even(row: CrossoverRow) -> str:
    """Return the rate; both ends of the scale in words, as they read like mistakes otherwise."""
    rate = row.break_even_exit_rate
    if rate is None:
        return f"{MISSING} ({'never pays' if row.reason is None else UNTOLD[row.reason]})"
    low, high = row.break_even_low, row.break_even_high
    ends = f"({percent(low)} to {'never' if high is None else percent(high)})"
    return f"0.0 %, always pays {ends}" if rate == 0 else f"{percent(rate)} {ends}"
