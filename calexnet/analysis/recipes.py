"""Cells that differ in their seed alone, put together under a label that tells them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from calexnet.sweep.results import Cell
from calexnet.sweep.spec import Axes, number


@dataclass(frozen=True)
class Recipe:
    """One way to train, with a cell for each seed.

    Attributes:
        label: For readers: the method, and of the rest what varies within the sweep.
        short: The same without the head, for where all have the same.
        axes: Those of its first cell, with learning rate and epochs among the options; its seed
            means nothing here.
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
        groups.setdefault(_key(_told(cell)), []).append(cell)
    axes = [_told(found[0]) for found in groups.values()]
    return tuple(
        Recipe(*labels, one, tuple(sorted(found, key=lambda cell: cell.result.spec.axes.seed)))
        for labels, one, found in zip(_labels(axes), axes, groups.values(), strict=True)
    )


#: What a sweep sets for all of its cells; cells of several sweeps may differ in it.
_OF_A_SWEEP = ("lr", "epochs")


def _told(cell: Cell) -> Axes:
    """Return a cell's axes, what its sweep set for all cells among their options."""
    spec = cell.result.spec
    recipe = spec.plan.get("recipe", {})
    learning = {**recipe.get("optimisation", {}), **_own_rate(recipe)}
    of_sweep = {n: number(learning[n]) for n in _OF_A_SWEEP if learning.get(n) is not None}
    return replace(spec.axes, options={**of_sweep, **spec.axes.options})


def _own_rate(recipe: Any) -> dict[str, Any]:
    """Return the learning rate that a method has of its own, if it has one."""
    switches = recipe.get("method", {}).get("options", {})
    return {"lr": switches["lr"]} if "lr" in switches else {}


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


def mean_of(seeds: Sequence[float | None]) -> float | None:
    """Return the mean of a recipe's seeds; ``None`` if one of them has no such figure."""
    known = [value for value in seeds if value is not None]
    return sum(known) / len(known) if len(known) == len(seeds) else None
