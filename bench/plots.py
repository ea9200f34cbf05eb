"""Small line plots as SVG to be put into a page, written by hand: a board has no plotting package.

Each plot is one thread setting, drawn for a phone's width: batch from left to right on a log2
scale. Shape, dash and fill tell the lines apart as well as colour does. The colours come from
`STYLE`, which the page includes once and which follows its light or dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from math import ceil, floor, log2, log10

from calexnet.bench.conclusions import VERDICTS, by_setting, setting_name
from calexnet.bench.figures import percent, significant
from calexnet.bench.results import AmortisationRow, CrossoverRow, Report

#: View box and the plotting area in it, in px of a 360 px wide screen.
WIDTH, HEIGHT = 360, 296
LEFT, RIGHT, TOP, BOTTOM = 50, 350, 74, 254
#: Where the texts above the plotting area begin.
EDGE = 4
#: Kept free at both ends of the x axis, so that no mark sits on the frame.
INSET = 15
#: Closest that two labels of the x axis may come.
LABEL_GAP = 26

#: Colours of Okabe and Ito, which colour-blind readers tell apart.
STYLE = """
.plot { --plain: #0072b2; --cascade: #c44e00; --pays: #009e7326; }
@media (prefers-color-scheme: dark) {
  .plot { --plain: #56b4e9; --cascade: #f0a030; --pays: #00c08a33; }
}
.plot { display: block; width: 100%; height: auto; font: 13px system-ui, sans-serif; }
.plot text { fill: var(--ink); }
.plot .name { font-weight: 600; font-size: 14px; }
.plot .axis { fill: var(--faint); }
.plot .grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.plot .line { stroke-width: 2; fill: none; stroke-linejoin: round; }
.plot .mark { stroke-width: 2; }
.plot .plain { stroke: var(--plain); fill: var(--plain); }
.plot .cascade { stroke: var(--cascade); fill: var(--cascade); }
.plot .line.plain, .plot .line.cascade { fill: none; }
.plot .bar { stroke: var(--cascade); stroke-width: 1.5; fill: none; }
.plot .mark.unclear { fill: var(--paper); }
.plot .observed { stroke: var(--ink); stroke-width: 2; stroke-dasharray: 6 4; fill: none; }
.plot .pays { fill: var(--pays); stroke: none; }
"""


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


def latency_plots(report: Report) -> tuple[str, ...]:
    """Return ms an image against batch, one SVG a thread setting.

    Each has its own y scale, from 0: the question is which line is lower, and a shared scale would
    press both lines together where more threads make them fast.
    """
    plots = []
    for number, (setting, rows) in enumerate(by_setting(report.amortisation).items()):
        name = setting_name(report.amortisation, setting)
        plots.append(_latency_plot(f"latency-{number}", name, rows))
    return tuple(plots)


def break_even_plots(report: Report) -> tuple[str, ...]:
    """Return break-even and observed exit rate against batch, one SVG a thread setting."""
    plots = []
    for number, (setting, rows) in enumerate(by_setting(report.crossover).items()):
        name = setting_name(report.crossover, setting)
        plots.append(_break_even_plot(f"break-even-{number}", name, rows))
    return tuple(plots)


def ticks(highest: float) -> tuple[float, ...]:
    """Return three to six round values from 0 to at least `highest`, evenly spaced."""
    if highest <= 0:
        return (0.0, 1.0)
    magnitude = 10.0 ** floor(log10(highest / 4))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude * 5 >= highest)
    return tuple(step * i for i in range(ceil(highest / step - 1e-9) + 1))


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
        _text(EDGE, 16, name, "name"),
        _legend(0, _circle(0, 0, "plain"), "plain backbone"),
        _legend(136, _square(0, 0, "cascade"), "cascade, with early exits"),
        _text(EDGE, 58, "ms an image (lower is better)", "axis"),
        *(_grid(frame.y(mark), f"{mark:g}") for mark in marks),
        *_batch_axis(frame),
        _line(plain, "plain"),
        _line(cascade, "cascade"),
        *(_interval_bar(frame, row) for row in rows),
        *(_circle(x, y, "plain") for x, y in plain),
        *(_cascade_mark(frame, row) for row in rows),
    ]
    description = "; ".join(
        f"batch {row.batch}: plain {significant(row.plain_ms)} ms, "
        f"cascade {significant(row.cascade_ms)} ms"
        for row in rows
    )
    return _svg(anchor, f"ms an image against batch, {name}", description, body)


def _break_even_plot(anchor: str, name: str, rows: Sequence[CrossoverRow]) -> str:
    rows = sorted(rows, key=lambda row: row.batch)
    # A row above 100 %, for batches at which no exit rate is enough.
    never_y = TOP
    frame = Frame(tuple(row.batch for row in rows), 1.0, TOP + 26)
    body = [
        _text(EDGE, 16, name, "name"),
        _legend(0, _circle(0, 0, "cascade"), "needed"),
        _legend(80, '<path class="observed" d="M-8 0H8"/>', _observed_name(rows)),
        _legend(224, '<rect class="pays" x="-8" y="-6" width="16" height="12"/>', "cascade pays"),
        _text(EDGE, 58, "images that leave early, % of all", "axis"),
        *(_grid(frame.y(share), f"{100 * share:.0f}") for share in (0, 0.25, 0.5, 0.75, 1)),
        *([_grid(never_y, "never")] if any(_never(row) for row in rows) else []),
        *_batch_axis(frame),
        *_observed(frame, rows),
        *_break_even_lines(frame, rows),
        *(_break_even_mark(frame, row, never_y) for row in rows),
    ]
    description = "; ".join(map(_break_even_words, rows))
    return _svg(anchor, f"Break-even exit rate against batch, {name}", description, body)


def _never(row: CrossoverRow) -> bool:
    return row.break_even_exit_rate is None


def _break_even_words(row: CrossoverRow) -> str:
    rate = row.break_even_exit_rate
    needed = "never pays" if rate is None else f"pays from {percent(rate)}"
    observed = percent(row.observed_exit_rate)
    return f"batch {row.batch}: {needed}, observed {observed}, {VERDICTS[row.verdict]}"


def _observed_name(rows: Sequence[CrossoverRow]) -> str:
    rates = {percent(row.observed_exit_rate) for row in rows}
    return f"observed, {rates.pop()}" if len(rates) == 1 else "observed"


def _observed(frame: Frame, rows: Sequence[CrossoverRow]) -> tuple[str, str]:
    """Return the observed rate from edge to edge, and the area under it, where it pays."""
    points = [(frame.x(row.batch), frame.y(row.observed_exit_rate)) for row in rows]
    line = [(float(LEFT), points[0][1]), *points, (float(RIGHT), points[-1][1])]
    area = [*line, (float(RIGHT), float(BOTTOM)), (float(LEFT), float(BOTTOM))]
    return (
        f'<polygon class="pays" points="{_points(area)}"/>',
        f'<polyline class="observed" points="{_points(line)}"/>',
    )


def _break_even_lines(frame: Frame, rows: Sequence[CrossoverRow]) -> Iterable[str]:
    """Yield the line in pieces: it has a gap wherever the cascade never pays."""
    for never, run in groupby(rows, key=_never):
        points = [(frame.x(r.batch), frame.y(r.break_even_exit_rate or 0.0)) for r in run]
        if not never and len(points) > 1:
            yield _line(points, "cascade")


def _break_even_mark(frame: Frame, row: CrossoverRow, never_y: float) -> str:
    x, rate = frame.x(row.batch), row.break_even_exit_rate
    words = _break_even_words(row)
    if rate is None:
        return _cross(x, never_y, words)
    unclear = " unclear" if row.verdict == "unclear" else ""
    return _circle(x, frame.y(rate), "cascade" + unclear, words)


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
    return _square(frame.x(row.batch), frame.y(row.cascade_ms), "cascade" + unclear)


def _batch_axis(frame: Frame) -> Iterable[str]:
    """Yield the x axis; a label that would touch the one before it is left out."""
    edge = -float(LABEL_GAP)
    for batch in frame.batches:
        x = frame.x(batch)
        yield f'<path class="grid" d="M{x:.1f} {BOTTOM}v4"/>'
        if x - edge >= LABEL_GAP:
            edge = x
            yield _text(x, BOTTOM + 18, str(batch), "axis", "middle")
    middle = (LEFT + RIGHT) / 2
    yield _text(middle, BOTTOM + 36, "batch: images in one call (log scale)", "axis", "middle")


def _grid(y: float, label: str) -> str:
    line = f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
    return line + _text(LEFT - 6, y + 4, label, "axis", "end")


def _legend(x: float, mark: str, name: str) -> str:
    return f'<g transform="translate({EDGE + 8 + x:.0f} 36)">{mark}{_text(13, 4, name, "axis")}</g>'


def _line(points: Sequence[tuple[float, float]], kind: str) -> str:
    return f'<polyline class="line {kind}" points="{_points(points)}"/>'


def _circle(x: float, y: float, kind: str, words: str = "") -> str:
    return _mark(f'circle class="mark {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"', "circle", words)


def _square(x: float, y: float, kind: str, words: str = "") -> str:
    corner = f'x="{x - 4:.1f}" y="{y - 4:.1f}"'
    return _mark(f'rect class="mark {kind}" {corner} width="8" height="8"', "rect", words)


def _cross(x: float, y: float, words: str) -> str:
    strokes = f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"
    return _mark(f'path class="mark cascade never" d="{strokes}"', "path", words)


def _mark(head: str, tag: str, words: str) -> str:
    """Return a mark; `words`, if any, are what a pointer shows over it."""
    return f"<{head}><title>{escape(words)}</title></{tag}>" if words else f"<{head}/>"


def _text(x: float, y: float, text: str, kind: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(text)}</text>'


def _points(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _svg(anchor: str, title: str, description: str, body: Iterable[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-labelledby="{anchor}-title {anchor}-desc">'
        f'<title id="{anchor}-title">{escape(title)}</title>'
        f'<desc id="{anchor}-desc">{escape(description)}.</desc>{"".join(body)}</svg>'
    )
