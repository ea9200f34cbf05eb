"""Cells that differ in their seed alone, put together under a label that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calexnet.sweep.results import Cell
from calexnet.sweep.spec import Axes, number


@dataclass(frozen=True)
class Recipe:
    """One way to train, with a cell for each seed.

    Attributes:
        label: For readers: the method, and of the rest what varies within the sweep.
        short: The same without the head, for where all have the same.
        axes: Those of its first cell; the seed means nothing here.
        cells: By rising seed.
    """

    label: str
    short: str
    axes: Axes
    cells: tuple[Cell, ...]

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of its cells."""
        return tuple(cell.result.spec.axes.seed for cell in self.cells)


def recipes(cells: Sequence[Cell]) -> tuple[Recipe, ...]:
    """Return the recipes among `cells`, in the order in which they first appear."""
    groups: dict[tuple[object, ...], list[Cell]] = {}
    for cell in cells:
        groups.setdefault(_key(cell.result.spec.axes), []).append(cell)
    axes = [found[0].result.spec.axes for found in groups.values()]
    return tuple(
        Recipe(*labels, one, tuple(sorted(found, key=lambda cell: cell.result.spec.axes.seed)))
        for labels, one, found in zip(_labels(axes), axes, groups.values(), strict=True)
    )


def _key(axes: Axes) -> tuple[object, ...]:
    return axes.method, axes.head, axes.margin, tuple(sorted(axes.options.items()))


def _labels(all_axes: Sequence[Axes]) -> list[tuple[str, str]]:
    heads = {axes.head for axes in all_axes}
    margins = {axes.margin for axes in all_axes} - {None}
    names = sorted({name for axes in all_axes for name in axes.options})
    telling = [n for n in names if len({axes.options.get(n) for axes in all_axes}) > 1]
    labels = []
    for axes in all_axes:
        head = [f"{axes.head} head"] if len(heads) > 1 else []
        parts = []
        if len(margins) > 1 and axes.margin is not None:
            parts.append(f"margin {number(axes.margin)}")
        parts += [f"{name} {axes.options[name]}" for name in telling if name in axes.options]
        labels.append((", ".join([axes.method, *head, *parts]), ", ".join([axes.method, *parts])))
    return labels
