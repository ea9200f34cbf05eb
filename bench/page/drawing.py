"""What the report's plots are made of: SVG by hand, as a board has no plotting package.

A plot is drawn for a phone's width. Shape, dash and fill tell its marks apart as well as colour
does. Colours come from the page's style, which follows its light or dark scheme.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from math import ceil, floor, log10

#: Of the view box, in px of a 360 px wide screen.
WIDTH = 360
#: Where texts begin, and how far the plotting area reaches to the right.
EDGE, RIGHT = 4, 350


def ticks(highest: float) -> tuple[float, ...]:
    """Return three to six round values from 0 to at least `highest`, evenly spaced."""
    if highest <= 0:
        return (0.0, 1.0)
    magnitude = 10.0 ** floor(log10(highest / 4))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude * 5 >= highest)
    return tuple(step * i for i in range(ceil(highest / step - 1e-9) + 1))


def between(lowest: float, highest: float) -> tuple[float, ...]:
    """Return round values, evenly spaced, 0 among them, that lie from `lowest` to `highest`.

    Args:
        lowest: At most 0.
        highest: At least 0; the two differ.
    """
    found = ticks(highest - lowest)
    step = found[1] - found[0]
    first, last = ceil(lowest / step - 1e-9), floor(highest / step + 1e-9)
    return tuple(step * i for i in range(first, last + 1))


def svg(anchor: str, title: str, description: str, height: int, body: Iterable[str]) -> str:
    """Return a plot; title and description are what is read aloud in its place."""
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-labelledby="{anchor}-title {anchor}-desc">'
        f'<title id="{anchor}-title">{escape(title)}</title>'
        f'<desc id="{anchor}-desc">{escape(description)}.</desc>{"".join(body)}</svg>'
    )


def text(x: float, y: float, words: str, kind: str, anchor: str = "start") -> str:
    """Return one line of text."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{kind}" {place}>{escape(words)}</text>'


def legend(x: float, mark: str, name: str, y: float = 36) -> str:
    """Return a sample of a mark, drawn around the origin, with its name."""
    return (
        f'<g transform="translate({EDGE + 8 + x:.0f} {y:g})">{mark}{text(13, 4, name, "axis")}</g>'
    )


def across(left: float, y: float, label: str) -> str:
    """Return a line of the grid from left to right, with its label."""
    line = f'<path class="grid" d="M{left:g} {y:.1f}H{RIGHT}"/>'
    return line + text(left - 6, y + 4, label, "axis", "end")


def below(x: float, y: float, label: str) -> str:
    """Return a label under the place `x` of an axis; at the right edge it ends there."""
    if x >= RIGHT:
        return text(WIDTH - 2, y, label, "axis", "end")
    return text(x, y, label, "axis", "middle")


def line(places: Sequence[tuple[float, float]], kind: str) -> str:
    """Return a line through `places`."""
    return f'<polyline class="line {kind}" points="{points(places)}"/>'


def circle(x: float, y: float, kind: str, words: str = "") -> str:
    """Return the mark of plain."""
    return _mark(f'circle class="mark {kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"', "circle", words)


def square(x: float, y: float, kind: str, words: str = "") -> str:
    """Return the mark of the cascade."""
    corner = f'x="{x - 4:.1f}" y="{y - 4:.1f}"'
    return _mark(f'rect class="mark {kind}" {corner} width="8" height="8"', "rect", words)


def diamond(x: float, y: float, kind: str, words: str = "") -> str:
    """Return the mark of a rival."""
    edges = f"M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"
    return _mark(f'path class="mark {kind}" d="{edges}"', "path", words)


def triangle(x: float, y: float, kind: str, words: str = "") -> str:
    """Return the mark of a cut network."""
    edges = f"M{x:.1f} {y - 5:.1f}l5 9h-10z"
    return _mark(f'path class="mark {kind}" d="{edges}"', "path", words)


def cross(x: float, y: float, kind: str, words: str = "") -> str:
    """Return the mark of what cannot be."""
    strokes = f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"
    return _mark(f'path class="mark {kind}" d="{strokes}"', "path", words)


def points(places: Iterable[tuple[float, float]]) -> str:
    """Return places as SVG lists them."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)


def _mark(head: str, tag: str, words: str) -> str:
    """Return a mark; `words`, if any, are what a pointer shows over it."""
    return f"<{head}><title>{escape(words)}</title></{tag}>" if words else f"<{head}/>"
