"""Every network that could be shipped, in one plot: time to the right, accuracy upward."""

from __future__ import annotations

from collections.abc import Callable

from calexnet.bench.page.drawing import (
    EDGE,
    RIGHT,
    across,
    below,
    between,
    circle,
    diamond,
    legend,
    square,
    svg,
    text,
    ticks,
    triangle,
)
from calexnet.bench.report.decision import Alternative, Kind
from calexnet.bench.report.document import Report
from calexnet.bench.words.figures import at_most, changed, significant

HEIGHT = 346
LEFT, TOP, BOTTOM = 50, 112, 304
#: How many times what may be lost the scale of what is lost reaches; worse ones lie on its edge.
REACH = 4
#: Share of the height that stays free above the uppermost mark.
_ROOM = 16 / (BOTTOM - TOP)

_MARKS: dict[Kind, tuple[Callable[[float, float, str, str], str], str]] = {
    "plain": (circle, "plain"),
    "cascade": (square, "cascade"),
    "cut network": (triangle, "cut"),
    "smaller model": (diamond, "rival"),
    "other cascade": (diamond, "rival"),
}


def plot(report: Report) -> str:
    """Return the plot; nothing if there is nothing to choose from."""
    found = report.alternatives
    if not found:
        return ""
    allowed = 100 * report.decision.max_drop
    changes = [-100 * one.drop.value for one in found]
    foot = -max(REACH * allowed, 1.0)
    # So much room that the ring around the uppermost mark stays within.
    head = max((max(changes) - _ROOM * foot) / (1 - _ROOM), -0.25 * foot)
    marks = ticks(1.02 * max(one.ms for one in found))

    def x(ms: float) -> float:
        return LEFT + (RIGHT - LEFT) * ms / marks[-1]

    def y(change: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (max(change, foot) - foot) / (head - foot)

    kept = f"keeps the accuracy: loses at most {at_most(report.decision.max_drop)}"
    shown = {_MARKS[one.kind][1] for one in found}
    body = [
        text(EDGE, 16, "single images, 1 thread", "name"),
        legend(0, circle(0, 0, "plain"), "plain"),
        legend(70, square(0, 0, "cascade"), "cascade"),
        *([legend(160, triangle(0, 0, "cut"), "cut short")] if "cut" in shown else []),
        *([legend(252, diamond(0, 0, "rival"), "rival")] if "rival" in shown else []),
        legend(0, '<circle class="ring" r="8"/>', _short(report.decision.name), 56),
        legend(0, '<rect class="pays" x="-8" y="-6" width="16" height="12"/>', kept, 76),
        text(EDGE, 98, "accuracy gained or lost, points (up is better)", "axis"),
        f'<rect class="pays" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" '
        f'height="{y(-allowed) - TOP:.1f}"/>',
        *(across(LEFT, y(step), f"{step:+g}" if step else "0") for step in between(foot, head)),
        *(_foot(x(mark), f"{mark:g}") for mark in marks),
        text((LEFT + RIGHT) / 2, BOTTOM + 36, "ms an image (left is better)", "axis", "middle"),
        *(
            _mark(one, x(one.ms), y(change), report.decision.max_drop)
            for one, change in zip(found, changes, strict=True)
        ),
        *(
            f'<circle class="ring" cx="{x(one.ms):.1f}" cy="{y(change):.1f}" r="9"/>'
            for one, change in zip(found, changes, strict=True)
            if one.name == report.decision.name
        ),
    ]
    description = "; ".join(map(_words, found))
    return svg("choices", "Time against accuracy", description, HEIGHT, body)


def _foot(x: float, label: str) -> str:
    line = f'<path class="grid" d="M{x:.1f} {BOTTOM}v4"/>'
    return line + below(x, BOTTOM + 18, label)


def _mark(one: Alternative, x: float, y: float, max_drop: float) -> str:
    draw, kind = _MARKS[one.kind]
    return draw(x, y, kind if one.keeps(max_drop) else f"{kind} unclear", _words(one))


def _words(one: Alternative) -> str:
    return f"{one.name}: {significant(one.ms)} ms, {changed(-one.drop.value)}"


def _short(name: str) -> str:
    return name if len(name) <= 46 else name[:45] + "\u2026"
