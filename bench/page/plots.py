"""Time and break-even rate against batch, one plot a thread setting.

Batch runs from left to right on a log2 scale.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import log2

from calexnet.bench.model.settings import Setting, by_setting
from calexnet.bench.page.drawing import (
    EDGE,
    RIGHT,
    across,
    circle,
    cross,
    legend,
    line,
    points,
    square,
    svg,
    text,
    ticks,
)
from calexnet.bench.report.document import Report
from calexnet.bench.report.times import AmortisationRow, CrossoverRow
from calexnet.bench.words.conclusions import UNTOLD, VERDICTS, setting_name
from calexnet.bench.words.figures import percent, significant

#: Height of a plot, and the plotting area in it.
HEIGHT = 296
LEFT, TOP, BOTTOM = 50, 74, 254
#: Kept free at both ends of the x axis, so that no mark sits on the frame.
INSET = 15
#: Closest that two labels of the x axis may come.
LABEL_GAP = 26


@dataclass(frozen=True)
class Frame:
    """Where data lie in the view box.

    Attributes:
        batches: On the x axis, rising.
        limit: The value at the top of the y axis, whose foot is 0.
        top: y of `limit`.
    """

    batches: tuple[int, ...]
    limit: float
    top: float = TOP

    def x(self, batch: int) -> float:
        """Return where `batch` lies, in px; a single one lies in the middle."""
        low, high = log2(self.batches[0]), log2(self.batches[-1])
        if low == high:
            return (LEFT + RIGHT) / 2
        span = RIGHT - LEFT - 2 * INSET
        return LEFT + INSET + span * (log2(batch) - low) / (high - low)

    def y(self, value: float) -> float:
        """Return where `value` lies, in px."""
        return BOTTOM - (BOTTOM - self.top) * value / self.limit


def latency_plots(report: Report) -> dict[Setting, str]:
    """Return ms an image against batch, one SVG a thread setting.

    Each has its own y scale, from 0: the question is which line is lower, and a shared scale would
    press both lines together where more threads make them fast.
    """
    return {
        setting: _latency_plot(
            f"latency-{number}", setting_name(report.amortisation, setting), rows
        )
        for number, (setting, rows) in enumerate(by_setting(report.amortisation).items())
    }


def break_even_plots(report: Report) -> dict[Setting, str]:
    """Return break-even and observed exit rate against batch, one SVG a thread setting."""
    return {
        setting: _break_even_plot(
            f"break-even-{number}", setting_name(report.crossover, setting), rows
        )
        for number, (setting, rows) in enumerate(by_setting(report.crossover).items())
    }


def _highest(row: AmortisationRow) -> float:
    """Return the largest ms that `row` draws, the bar of its interval included."""
    return max(row.plain_ms, row.cascade_ms, row.plain_ms * row.ratio_high)


def _latency_plot(anchor: str, name: str, rows: Sequence[AmortisationRow]) -> str:
    rows = sorted(rows, key=lambda row: row.batch)
    marks = ticks(max(map(_highest, rows)))
    frame = Frame(tuple(row.batch for row in rows), marks[-1])
    plain = [(frame.x(row.batch), frame.y(row.plain_ms)) for row in rows]
    cascade = [(frame.x(row.batch), frame.y(row.cascade_ms)) for row in rows]
    body = [
        text(EDGE, 16, name, "name"),
        legend(0, circle(0, 0, "plain"), "plain"),
        legend(70, square(0, 0, "cascade"), "cascade, with early exits"),
        text(EDGE, 58, "ms an image (lower is better)", "axis"),
        *(across(LEFT, frame.y(mark), f"{mark:g}") for mark in marks),
        *_batch_axis(frame),
        line(plain, "plain"),
        line(cascade, "cascade"),
        *(_interval_bar(frame, row) for row in rows),
        *(circle(x, y, "plain") for x, y in plain),
        *(_cascade_mark(frame, row) for row in rows),
    ]
    description = "; ".join(
        f"batch {row.batch}: plain {significant(row.plain_ms)} ms, "
        f"cascade {significant(row.cascade_ms)} ms"
        for row in rows
    )
    return svg(anchor, f"ms an image against batch, {name}", description, HEIGHT, body)


def _break_even_plot(anchor: str, name: str, rows: Sequence[CrossoverRow]) -> str:
    rows = sorted(rows, key=lambda row: row.batch)
    # A row above 100 %, for batches at which no exit rate is enough.
    never_y = TOP
    frame = Frame(tuple(row.batch for row in rows), 1.0, TOP + 26)
    body = [
        text(EDGE, 16, name, "name"),
        legend(0, circle(0, 0, "cascade"), "needed"),
        legend(80, '<path class="observed" d="M-8 0H8"/>', _observed_name(rows)),
        legend(224, '<rect class="pays" x="-8" y="-6" width="16" height="12"/>', "cascade pays"),
        text(EDGE, 58, "images that leave early, % of all", "axis"),
        *(across(LEFT, frame.y(share), f"{100 * share:.0f}") for share in (0, 0.25, 0.5, 0.75, 1)),
        *([across(LEFT, never_y, "never")] if any(_never(row) for row in rows) else []),
        *_batch_axis(frame),
        *_observed(frame, rows),
        *_break_even_lines(frame, rows),
        *(_break_even_mark(frame, row, never_y) for row in rows),
    ]
    description = "; ".join(map(_break_even_words, rows))
    return svg(anchor, f"Break-even exit rate against batch, {name}", description, HEIGHT, body)


def _never(row: CrossoverRow) -> bool:
    return row.break_even_exit_rate is None and row.reason is None


def _break_even_words(row: CrossoverRow) -> str:
    rate = row.break_even_exit_rate
    needed = "never pays" if rate is None else f"pays from {percent(rate)}"
    if row.reason is not None:
        needed = UNTOLD[row.reason]
    observed = percent(row.observed_exit_rate)
    return f"batch {row.batch}: {needed}, observed {observed}, {VERDICTS[row.verdict]}"


def _observed_name(rows: Sequence[CrossoverRow]) -> str:
    rates = {percent(row.observed_exit_rate) for row in rows}
    return f"observed, {rates.pop()}" if len(rates) == 1 else "observed"


def _observed(frame: Frame, rows: Sequence[CrossoverRow]) -> tuple[str, str]:
    """Return the observed rate from edge to edge, and the area under it, where it pays."""
    seen = [(frame.x(row.batch), frame.y(row.observed_exit_rate)) for row in rows]
    edge = [(float(LEFT), seen[0][1]), *seen, (float(RIGHT), seen[-1][1])]
    area = [*edge, (float(RIGHT), float(BOTTOM)), (float(LEFT), float(BOTTOM))]
    return (
        f'<polygon class="pays" points="{points(area)}"/>',
        f'<polyline class="observed" points="{points(edge)}"/>',
    )


def _break_even_lines(frame: Frame, rows: Sequence[CrossoverRow]) -> Iterable[str]:
    """Yield the line in pieces: it has a gap wherever no rate is enough, or told."""
    for missing, run in groupby(rows, key=lambda row: row.break_even_exit_rate is None):
        places = [(frame.x(r.batch), frame.y(r.break_even_exit_rate or 0.0)) for r in run]
        if not missing and len(places) > 1:
            yield line(places, "cascade")


def _break_even_mark(frame: Frame, row: CrossoverRow, never_y: float) -> str:
    x, rate = frame.x(row.batch), row.break_even_exit_rate
    words = _break_even_words(row)
    if row.reason is not None:
        return ""
    if rate is None:
        return cross(x, never_y, "cascade never", words)
    unclear = " unclear" if row.verdict == "unclear" else ""
    return circle(x, frame.y(rate), "cascade" + unclear, words)


def _interval_bar(frame: Frame, row: AmortisationRow) -> str:
    """Return the ratio's interval, drawn at the plain time: it meets plain if it holds 1."""
    x = frame.x(row.batch)
    low, high = (frame.y(row.plain_ms * end) for end in (row.ratio_low, row.ratio_high))
    return (
        f'<path class="bar" d="M{x:.1f} {low:.1f}V{high:.1f}'
        f'M{x - 5:.1f} {low:.1f}h10M{x - 5:.1f} {high:.1f}h10"/>'
    )


def _cascade_mark(frame: Frame, row: AmortisationRow) -> str:
    unclear = " unclear" if row.ratio_low <= 1 <= row.ratio_high else ""
    return square(frame.x(row.batch), frame.y(row.cascade_ms), "cascade" + unclear)


def _batch_axis(frame: Frame) -> Iterable[str]:
    """Yield the x axis; a label that would touch the one before it is left out."""
    edge = -float(LABEL_GAP)
    for batch in frame.batches:
        x = frame.x(batch)
        yield f'<path class="grid" d="M{x:.1f} {BOTTOM}v4"/>'
        if x - edge >= LABEL_GAP:
            edge = x
            yield text(x, BOTTOM + 18, str(batch), "axis", "middle")
    middle = (LEFT + RIGHT) / 2
    yield text(middle, BOTTOM + 36, "batch: images in one call (log scale)", "axis", "middle")
