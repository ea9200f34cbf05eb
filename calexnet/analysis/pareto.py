"""Accuracy against FLOPs: the frontier of every recipe, after the paper's figures 1 and 2."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis import curves, sources, statics
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.curves import Curve
from calexnet.analysis.recipes import Recipe, recipes
from calexnet.analysis.statics import Static
from calexnet.analysis.strokes import panels, strokes
from calexnet.bench.words.figures import percent
from calexnet.bench.words.tables.table import Column, Table
from calexnet.gating import exit_rates
from calexnet.sweep.results import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "Accuracy against FLOPs for every recipe of a sweep."

Floats = NDArray[np.float64]

#: Savings at which the curves of several seeds are averaged.
_PLACES = np.round(np.arange(0.0, 0.9001, 0.01), 2)
#: Points below the best curve's end that the figure still shows: one that collapsed would press all
#: others together.
_BELOW = 10.0
_SHOWN = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True)
class Point:
    """One setting of one cell on the test part; `saved` is a share of the backbone's MACs."""

    recipe: str
    method: str
    head: str
    margin: float | None
    options: dict[str, str]
    seed: int
    setting: float
    accuracy: float
    backbone_accuracy: float
    saved: float
    saved_own_head: float
    exit_rates: tuple[float, ...]


@dataclass(frozen=True)
class Row:
    """Accuracy of a recipe at one saving, mean over seeds; `None` where a curve does not reach.

    Attributes:
        recipe: Its label.
        saved: Share of the backbone's MACs that is saved, all visited heads counted.
        seeds: Cells behind it.
        accuracy: On the test part.
        lowest: That of the worst seed.
        highest: That of the best one.
        accuracy_own_head: At the same saving if only the head that an image leaves by is counted.
        mixture: Of the best random mixture of two static networks that saves as much; see
            `calexnet.analysis.statics`.
    """

    recipe: str
    saved: float
    seeds: int
    accuracy: float | None
    lowest: float | None
    highest: float | None
    accuracy_own_head: float | None
    mixture: float | None


@dataclass(frozen=True)
class Frontier:
    """A recipe's accuracy at each of `_PLACES`, a row a seed; NaN where a curve does not reach.

    `mixtures` is that of the best random mixture of two static networks.
    """

    recipe: Recipe
    curves: tuple[Curve, ...]
    all_heads: Floats
    own_head: Floats
    mixtures: Floats


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    sources.configure_rules(parser)


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return the frontiers as tables and a figure."""
    known = recipes(sources.read(arguments))
    found, networks = [frontier(recipe) for recipe in known], statics.statics(known)
    rows = [row for one in found for row in _rows(one)]
    return Artefact(
        "pareto",
        (_table(rows), statics.table(networks), _settings(found)),
        {_caption(found): lambda figure: _draw(figure, found, networks)},
    )


def settings(cells: Sequence[Cell]) -> Table[Point]:
    """Return every setting of every cell, for one tidy file."""
    return _settings([frontier(recipe) for recipe in recipes(cells)])


def _settings(found: Sequence[Frontier]) -> Table[Point]:
    points = tuple(point for one in found for point in _points(one))
    return Table("settings", "Every setting", (), (), points)


def frontier(recipe: Recipe) -> Frontier:
    """Return a recipe's curves, brought to common savings."""
    found = tuple(curves.curve(cell) for cell in recipe.cells)
    return Frontier(
        recipe,
        found,
        np.stack([_at_places(one, own_head_only=False) for one in found]),
        np.stack([_at_places(one, own_head_only=True) for one in found]),
        np.stack([statics.mixtures(cell, _PLACES) for cell in recipe.cells]),
    )


def _at_places(curve: Curve, *, own_head_only: bool) -> Floats:
    saved = curve.saved(own_head_only=own_head_only).mean(1)
    return curves.at_savings(saved, curve.accuracy, _PLACES)


def _rows(one: Frontier) -> list[Row]:
    rows = []
    for place in _SHOWN:
        column = int(np.searchsorted(_PLACES, place))
        visited, own = one.all_heads[:, column], one.own_head[:, column]
        mixed = one.mixtures[:, column]
        rows.append(
            Row(
                one.recipe.label,
                place,
                len(visited),
                _reached(visited, visited.mean()),
                _reached(visited, visited.min()),
                _reached(visited, visited.max()),
                _reached(own, own.mean()),
                _reached(mixed, mixed.mean()),
            )
        )
    return rows


def _reached(seeds: Floats, figure: float) -> float | None:
    return None if np.isnan(seeds).any() else float(figure)


def _points(one: Frontier) -> list[Point]:
    points = []
    for cell, curve in zip(one.recipe.cells, one.curves, strict=True):
        axes = cell.result.spec.axes
        saved, own = curve.saved().mean(1), curve.saved(own_head_only=True).mean(1)
        exits = curve.macs.to_exit().size
        for i, setting in enumerate(curve.settings):
            rates = tuple(float(rate) for rate in exit_rates(curve.exits[i], exits))
            points.append(
                Point(
                    one.recipe.label,
                    axes.method,
                    axes.head,
                    axes.margin,
                    axes.options,
                    axes.seed,
                    float(setting),
                    float(curve.accuracy[i]),
                    float(curve.backbone_right.mean()),
                    float(saved[i]),
                    float(own[i]),
                    rates,
                )
            )
    return points


def _table(rows: Sequence[Row]) -> Table[Row]:
    columns: tuple[Column[Row], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        Column("FLOPs saved", lambda row: percent(row.saved)),
        Column("Accuracy, mean of seeds", lambda row: percent(row.accuracy)),
        Column("Lowest seed", lambda row: percent(row.lowest)),
        Column("Highest seed", lambda row: percent(row.highest)),
        Column("Accuracy, own head counted", lambda row: percent(row.accuracy_own_head)),
        Column("Static networks mixed", lambda row: percent(row.mixture)),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "Accuracy on the test part where the cascade saves the given share of the plain backbone's "
        "FLOPs, linear between neighbouring settings; n/a where a seed's curve does not reach. "
        "Thresholds come from the calibration part alone.",
        "FLOPs count every head that an image visited; in the column beside, only the head that it "
        "leaves by. Static networks mixed: the best that a random mixture of two of plain and the "
        "networks cut after a stage comes to at that saving.",
    )
    return Table("pareto", "Accuracy against FLOPs saved", notes, columns, tuple(rows))


def _caption(found: Sequence[Frontier]) -> str:
    counts = sorted({len(one.curves) for one in found})
    many = f"mean over {' or '.join(map(str, counts))} seeds of the branches; bands: "
    lines = f"{many}lowest to highest seed" if counts != [1] else "one seed of the branches each"
    return (
        "Accuracy on the test part against the share of the backbone's FLOPs that is left, all "
        f"visited heads counted. Lines: {lines}. Cross: the plain backbone. Open circles: the "
        "network cut after each stage; dotted: the best random mixture of two static networks. "
        "What lies far below is cut off."
    )


def _draw(figure: Figure, found: Sequence[Frontier], networks: Sequence[Static]) -> None:
    """Draw a panel for each head: what is to be compared has the same one."""
    for axes, mine in panels(figure, found, lambda one: one.recipe.axes.head):
        left = 100 * (1 - _PLACES)
        for one, stroke in zip(mine, strokes([f.recipe for f in mine]), strict=True):
            mean = one.all_heads.mean(0)  # NaN unless all seeds reach
            axes.plot(left, 100 * mean, label=one.recipe.short, markevery=10, **stroke)
            low, high = one.all_heads.min(0), one.all_heads.max(0)
            axes.fill_between(left, 100 * low, 100 * high, color=stroke["color"], alpha=0.15, lw=0)
            cuts = [cut for cut in networks if cut.recipe == one.recipe.label]
            places = [100 * (1 - cut.saved) for cut in cuts], [100 * cut.accuracy for cut in cuts]
            axes.plot(*places, "o", color=stroke["color"], markerfacecolor="none", markersize=8)
            axes.plot(left, 100 * one.mixtures.mean(0), ":", color=stroke["color"], lw=1)
        plain = 100 * float(mine[0].curves[0].backbone_right.mean())
        axes.plot([100], [plain], "x", color="black", markersize=9, label="plain backbone")
        axes.set_xlabel("FLOPs left, % of the plain backbone's")
        axes.legend(fontsize=8)
    best = np.stack([one.all_heads.mean(0) for one in found])
    lowest = np.nanmin(np.fmax.reduce(best))
    figure.axes[0].set_ylim(bottom=max(0.0, 100 * float(lowest) - _BELOW))
    figure.axes[0].set_ylabel("accuracy on the test part, %")
