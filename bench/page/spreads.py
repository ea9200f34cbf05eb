"""How long single images took, exit by exit: the whole spread of their times, not one figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calexnet.bench.model.settings import subjects
from calexnet.bench.page.drawing import (
    EDGE,
    RIGHT,
    WIDTH,
    below,
    circle,
    legend,
    square,
    svg,
    text,
    ticks,
)
from calexnet.bench.report.document import Report
from calexnet.bench.report.times import ExitRow, LatencyRow
from calexnet.bench.words.figures import percent, significant

#: Where the scale begins, where the first row does, and a row's height.
LEFT, TOP, ROW = 16, 66, 48
#: The shares of an exit's calls that lie within its bar, and within the broad part of it.
_BAR, _BROAD = (0.05, 0.95), (0.25, 0.75)
#: How many times the slowest exit's middle call the scale reaches at most.
REACH = 4
#: Width of a letter of the small labels, and what keeps two of them apart, in px.
_LETTER, _GAP = 6.4, 4.0
_PERCENTILES = ("p50", "p90", "p95", "p99")


@dataclass(frozen=True)
class Scale:
    """ms from left to right, from 0."""

    limit: float

    def x(self, ms: float) -> float:
        """Return where `ms` lies, in px; what is beyond the scale at its end."""
        return LEFT + (RIGHT - LEFT) * min(ms / self.limit, 1.0)


def spreads(report: Report) -> dict[tuple[str, str], str]:
    """Return one plot for every target and precision whose exits were timed."""
    return {
        subject: _plot(
            f"spread-{number}",
            " ".join(subject),
            [row for row in report.exits if (row.target, row.precision) == subject],
            [row for row in report.latency if _of_single_images(row, subject)],
        )
        for number, subject in enumerate(subjects(report.exits))
    }


def quantile(row: ExitRow, share: float) -> float:
    """Return the ms that `share` of an exit's calls take at most, linear between those kept."""
    place = share * (len(row.quantiles_ms) - 1)
    below = min(int(place), len(row.quantiles_ms) - 2)
    part = place - below
    return (1 - part) * row.quantiles_ms[below] + part * row.quantiles_ms[below + 1]


def percentiles(row: LatencyRow) -> dict[str, float]:
    """Return the percentiles of a network that enough calls tell, by name."""
    found = ((name, getattr(row, f"{name}_ms")) for name in _PERCENTILES)
    return {name: estimate.value for name, estimate in found if estimate is not None}


def _of_single_images(row: LatencyRow, subject: tuple[str, str]) -> bool:
    networks = ("plain", "cascade")
    single = (row.batch, row.threads) == (1, 1) and row.network in networks
    return single and (row.target, row.precision) == subject


def _plot(anchor: str, name: str, exits: Sequence[ExitRow], whole: Sequence[LatencyRow]) -> str:
    highest = [quantile(row, 0.95) for row in exits]
    highest += [ms for row in whole for ms in percentiles(row).values()]
    # On a machine with hiccups a scale for the worst call would press all others into a point.
    middle = max(quantile(row, 0.5) for row in exits)
    marks = ticks(1.02 * min(max(highest), REACH * middle))
    scale = Scale(marks[-1])
    height = TOP + ROW * (len(exits) + len(whole)) + 40
    foot = height - 38
    body = [
        text(EDGE, 16, f"{name}, single images, 1 thread", "name"),
        legend(0, '<path class="broad" d="M-8 0H8"/>', "half of the calls"),
        legend(136, '<path class="box" d="M-8 0H8"/>', "90 %"),
        legend(206, '<path class="tick" d="M0 -6V6"/>', "middle call"),
        *(_upright(scale.x(mark), foot, f"{mark:g}") for mark in marks),
        text((LEFT + RIGHT) / 2, height - 4, "ms of one call", "axis", "middle"),
    ]
    y = TOP
    for row in whole:
        body += _whole(scale, row, y)
        y += ROW
    for number, exit_row in enumerate(exits, start=1):
        body += _exit(scale, exit_row, y, last=number == len(exits))
        y += ROW
    words = "; ".join([*map(_whole_words, whole), *map(_exit_words, exits)])
    return svg(anchor, f"Latency of single images, {name}", words, height, body)


def _upright(x: float, foot: float, label: str) -> str:
    line = f'<path class="grid" d="M{x:.1f} {TOP - 16}V{foot}"/>'
    return line + below(x, foot + 16, label)


def _whole(scale: Scale, row: LatencyRow, y: float) -> list[str]:
    """Return a network's percentiles as marks on a line, each with its name under it."""
    found = percentiles(row)
    mark = circle if row.network == "plain" else square
    name = {"plain": "plain", "cascade": "cascade, all exits"}[row.network]
    places = [scale.x(ms) for ms in found.values()]
    beyond = [f", {p} {significant(ms)} ms \u2192" for p, ms in found.items() if ms > scale.limit]
    parts = [text(EDGE, y, name + "".join(beyond), "row")]
    if places:
        parts.append(f'<path class="thin" d="M{places[0]:.1f} {y + 11:.1f}H{places[-1]:.1f}"/>')
    for x, label in zip(places, found, strict=True):
        parts.append(mark(x, y + 11, row.network, f"{label}: {significant(found[label])} ms"))
    parts += [text(x, y + 27, label, "small", "middle") for x, label in names(places, [*found])]
    return parts


def names(places: Sequence[float], labels: Sequence[str]) -> list[tuple[float, str]]:
    """Return where to write labels under marks, rising in x; those that would touch become one."""
    groups = [([x], label) for x, label in zip(places, labels, strict=True)]
    place = 1
    while place < len(groups):
        (left, before), (right, after) = groups[place - 1 : place + 1]
        if _middle(right, after) - _middle(left, before) < _wide(before + after) / 2 + _GAP:
            groups[place - 1 : place + 1] = [(left + right, f"{before} {after}")]
            place = max(1, place - 1)
        else:
            place += 1
    return [(_middle(xs, label), label) for xs, label in groups]


def _wide(label: str) -> float:
    return _LETTER * len(label)


def _middle(xs: Sequence[float], label: str) -> float:
    """Return the middle of a label's marks, moved so far that it stays in the plot."""
    half = _wide(label) / 2
    return min(max((xs[0] + xs[-1]) / 2, EDGE + half), WIDTH - 2 - half)


def _exit(scale: Scale, row: ExitRow, y: float, *, last: bool) -> list[str]:
    largest = row.quantiles_ms[-1]
    beyond = f", largest {significant(largest)} ms \u2192" if largest > scale.limit else ""
    who = "forced" if row.forced else f"{percent(row.rate)} of images"
    name = f"{'the end' if last else f'exit {row.exit}'}: {who}{beyond}"
    middle = scale.x(quantile(row, 0.5))
    words = _exit_words(row)
    return [
        text(EDGE, y, name, "row"),
        _stroke("thin", scale, (quantile(row, 0), largest), y + 11),
        _stroke("box", scale, [quantile(row, share) for share in _BAR], y + 11),
        _stroke("broad", scale, [quantile(row, share) for share in _BROAD], y + 11),
        f'<path class="tick" d="M{middle:.1f} {y + 4:.1f}v14"><title>{words}</title></path>',
    ]


def _stroke(kind: str, scale: Scale, span: Sequence[float], y: float) -> str:
    return f'<path class="{kind}" d="M{scale.x(span[0]):.1f} {y:.1f}H{scale.x(span[1]):.1f}"/>'


def _whole_words(row: LatencyRow) -> str:
    found = percentiles(row).items()
    return f"{row.network}: " + ", ".join(f"{name} {significant(ms)} ms" for name, ms in found)


def _exit_words(row: ExitRow) -> str:
    return (
        f"exit {row.exit}: {percent(row.rate)} of images, half of the calls within "
        f"{significant(quantile(row, 0.5))} ms, 95 % within {significant(quantile(row, 0.95))} ms"
    )
