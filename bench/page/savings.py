"""Work saved beside time saved: what the arithmetic promises, and what the clock gives."""

from __future__ import annotations

from calexnet.bench.page.drawing import EDGE, RIGHT, legend, svg, text
from calexnet.bench.report.document import Report
from calexnet.bench.report.times import OperatingPointRow
from calexnet.bench.words.figures import percent

#: Where the first row's name stands, over its two bars, and a row's height.
TOP, ROW = 70, 62
#: Where 0 lies and how many px all of it is; losses are drawn to the left, the worst ones cut.
ZERO, WHOLE, LEAST = 104, 190, -0.5


def plot(report: Report) -> str:
    """Return two bars for every target and precision, at its default operating point."""
    rows = [row for row in report.operating_points if row.default]
    if not rows:
        return ""
    height = TOP + ROW * len(rows) + 6
    body = [
        text(EDGE, 16, "single images, 1 thread", "name"),
        legend(0, _sample("work"), "arithmetic saved"),
        legend(144, _sample("cascade"), "time saved"),
        f'<path class="grid" d="M{ZERO} {TOP - 14}V{height}"/>',
        *(part for number, row in enumerate(rows) for part in _bars(row, TOP + ROW * number)),
    ]
    return svg("savings", "Arithmetic and time saved", "; ".join(map(_words, rows)), height, body)


def _sample(kind: str) -> str:
    return f'<rect class="amount {kind}" x="-8" y="-5" width="16" height="10"/>'


def _bars(row: OperatingPointRow, y: float) -> list[str]:
    unclear = " unclear" if row.verdict == "unclear" else ""
    return [
        text(EDGE, y, f"{row.target} {row.precision}", "row"),
        *_bar("work", 1 - row.macs_ratio, y + 8),
        *_bar(f"cascade{unclear}", 1 - row.ratio, y + 24),
    ]


def _bar(kind: str, share: float, y: float) -> tuple[str, str]:
    length = WHOLE * max(share, LEAST)
    start, end = min(ZERO, ZERO + length), max(ZERO, ZERO + length)
    place = f'x="{start:.1f}" y="{y:.1f}" width="{end - start:.1f}" height="12"'
    cut = "\u2190 " if share < LEAST else ""
    words = percent(share) if share >= 0 else f"{cut}{percent(-share)} more"
    return (
        f'<rect class="amount {kind}" {place}/>',
        text(min(end + 5, RIGHT - 70), y + 11, words, "small"),
    )


def _words(row: OperatingPointRow) -> str:
    return (
        f"{row.target} {row.precision}: {percent(1 - row.macs_ratio)} of the arithmetic and "
        f"{percent(1 - row.ratio)} of the time saved"
    )
