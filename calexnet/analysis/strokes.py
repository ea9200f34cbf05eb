"""How recipes are drawn, in every figure alike: colour, dash and mark all tell them apart.

The colours are Okabe and Ito's, which colour-blind readers tell apart; dash and mark do the same in
a grey print.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from calexnet.analysis.recipes import Recipe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

T = TypeVar("T")

#: Inches that each further panel adds to a figure.
_PANEL = 4.2

#: method -> (colour, dash, mark)
_OF_METHOD: dict[str, tuple[str, Any, str]] = {
    "calexnet": ("#d55e00", "-", "o"),
    "reference": ("#000000", (0, (6, 2)), "s"),
    "softmax": ("#999999", (0, (2, 1)), "D"),
    "pteenet": ("#0072b2", (0, (4, 1, 1, 1)), "^"),
    "ztw": ("#009e73", (0, (1, 1)), "v"),
    "boostnet": ("#cc79a7", (0, (8, 2, 2, 2)), "P"),
}
_OTHERS: tuple[tuple[str, Any, str], ...] = (
    ("#56b4e9", (0, (3, 1)), "X"),
    ("#e69f00", (0, (5, 1, 1, 1, 1, 1)), "<"),
    ("#7a5195", (0, (1, 2)), ">"),
    ("#4d4d4d", (0, (7, 1)), "*"),
)


def strokes(recipes: Sequence[Recipe]) -> list[dict[str, Any]]:
    """Return matplotlib's line properties for each recipe; no two are alike up to ten."""
    spare = [*_OTHERS, *_OF_METHOD.values()]
    used: set[str] = set()
    found = []
    for recipe in recipes:
        mine = _OF_METHOD.get(recipe.axes.method)
        if mine is None or mine[0] in used:
            mine = next((one for one in spare if one[0] not in used), spare[0])
        used.add(mine[0])
        found.append({"color": mine[0], "linestyle": mine[1], "marker": mine[2], "markersize": 5})
    return found


def panels(
    figure: Figure, items: Sequence[T], head: Callable[[T], str]
) -> Iterator[tuple[Axes, list[T]]]:
    """Yield a panel for each head with the items that have it; all share their y axis."""
    heads = list(dict.fromkeys(map(head, items)))
    width, height = figure.get_size_inches()
    figure.set_size_inches(width + _PANEL * (len(heads) - 1), height)
    row = figure.subplots(1, len(heads), sharey=True, squeeze=False)[0]
    for name, axes in zip(heads, row, strict=True):
        if len(heads) > 1:
            axes.set_title(f"{name} head")
        yield axes, [item for item in items if head(item) == name]
