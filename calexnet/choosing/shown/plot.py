"""The frontier as a picture: every candidate a dot, what it costs to the right, accuracy upward."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

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
from calexnet.bench.words.figures import at_most, percent, points
from calexnet.choosing import choice
from calexnet.choosing.choice import Candidate, Choice, Contender
from calexnet.choosing.shown import words

HEIGHT = 366
LEFT, TOP, BOTTOM = 50, 132, 324
#: How many times what may be lost the scale reaches; what loses more lies on its edge.
REACH = 3

_MARKS: dict[str, tuple[Callable[[float, float, str, str], str], str]] = {
    "plain": (circle, "plain"),
    "network": (diamond, "rival"),
    "cut network": (triangle, "cut"),
    "cascade": (square, "cascade"),
}


@dataclass(frozen=True)
class _Scale:
    """Where costs (plain is 1) and changes of accuracy (points) lie."""

    widest: float
    foot: float
    head: float

    def x(self, cost: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(cost / self.widest, 1.0)

    def y(self, change: float) -> float:
        inside = max(change, self.foot) - self.foot
        return BOTTOM - (BOTTOM - TOP) * inside / (self.head - self.foot)


def frontier(found: Choice) -> str:
    """Return every candidate as the search saw it, with those that were measured ringed or full."""
    plain = found.plain.predicted
    allowed = 100 * found.asked.max_drop
    changes = [-100 * one.counts.drop for one in found.candidates]
    head = max(*changes, 0.5 * allowed, 0.25) * 1.15
    marks = ticks(max(one.cost / plain for one in found.candidates))
    scale = _Scale(marks[-1], -max(REACH * allowed, 1.0), head)
    best = found.winner
    ring = f'<circle class="ring" cx="{scale.x(best.predicted / plain):.1f}" '
    body = [
        text(EDGE, 16, "every candidate, on calibration images", "name"),
        *_legends(found),
        legend(0, '<circle class="ring" r="8"/>', "what to ship", 76),
        legend(
            120,
            '<rect class="pays" x="-8" y="-6" width="16" height="12"/>',
            f"loses at most {at_most(found.asked.max_drop)}",
            76,
        ),
        text(EDGE, 118, "accuracy gained or lost, points (up is better)", "axis"),
        f'<rect class="pays" x="{LEFT}" y="{TOP}" width="{RIGHT - LEFT}" '
        f'height="{scale.y(-allowed) - TOP:.1f}"/>',
        *(
            across(LEFT, scale.y(step), f"{step:+g}" if step else "0")
            for step in between(scale.foot, scale.head)
        ),
        *(below(scale.x(mark), BOTTOM + 18, f"{mark:g}") for mark in marks),
        text((LEFT + RIGHT) / 2, BOTTOM + 36, _axis(found), "axis", "middle"),
        *_dots(found, scale),
        f'{ring}cy="{scale.y(-100 * _drop(best, found)):.1f}" r="9"/>',
    ]
    return svg("frontier", "What each candidate costs and loses", _said(found), HEIGHT, body)


def _drop(one: Contender, found: Choice) -> float:
    """Return what a contender loses as the search saw it; its build's own answers if it did not."""
    same = [c for c in found.candidates if (c.chain, c.cost) == (one.chain, one.predicted)]
    return same[0].counts.drop if same else one.calibration.drop


def _legends(found: Choice) -> Iterator[str]:
    shown = [choice.kind(one.chain, found.reference) for one in found.candidates]
    names = {"plain": "plain", "cascade": "cascade", "cut network": "cut short", "network": "other"}
    place = 0
    for kind, name in names.items():
        if kind in shown:
            mark, style = _MARKS[kind]
            yield legend(place, mark(0, 0, style, ""), name, 46)
            place += 86


def _dots(found: Choice, scale: _Scale) -> Iterator[str]:
    plain = found.plain.predicted
    for one in reversed(found.candidates):  # the best lie on top
        mark, style = _MARKS[choice.kind(one.chain, found.reference)]
        place = scale.x(one.cost / plain), scale.y(-100 * one.counts.drop)
        yield mark(*place, style if one.hit else f"{style} unclear", _words(one, found))


def _words(one: Candidate, found: Choice) -> str:
    share = percent(one.cost / found.plain.predicted)
    name = words.name(one.chain, found.reference) + words.at(one.precision)
    return f"{name}: {share} of plain, {points(-one.counts.drop)} points"


def _axis(found: Choice) -> str:
    what = {"macs": "MACs", "ms": "time"}[found.unit]
    return f"{what} of plain, predicted (left is better)"


def _said(found: Choice) -> str:
    best: Sequence[Candidate] = found.candidates[:5]
    return "; ".join(_words(one, found) for one in best)
