"""Which setting of each method to take, chosen on the calibration part alone.

Every way that a method was trained, under every rule, is judged by cross-fitting
(`calexnet.analysis.curves.crossfitted`). The one that loses least accuracy, in the mean over the
given savings, is chosen. The test part is not looked at, so what it says of the chosen ones is
still unseen.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calexnet.analysis import curves, sources, summary
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.recipes import Recipe, recipes
from calexnet.arguments import floats
from calexnet.bench.words.figures import MISSING
from calexnet.bench.words.tables.table import Column, Table

HELP = "The best setting of each method, chosen on the calibration part by cross-fitting."


@dataclass(frozen=True)
class Row:
    """One way to train a method, and one rule; losses are shares, not points.

    Attributes:
        method: Its name.
        head: What its branches are.
        recipe: The label: what varies among all candidates.
        seeds: Cells behind it.
        savings: Shares of the FLOPs that are saved, all visited heads counted.
        losses: The backbone's accuracy minus the cascade's at each, mean over seeds; ``None`` where
            a curve does not reach.
        mean: Of the losses; ``None`` if one is missing.
        chosen: Whether it is the best of its method and head.
    """

    method: str
    head: str
    recipe: str
    seeds: int
    savings: tuple[float, ...]
    losses: tuple[float | None, ...]
    mean: float | None
    chosen: bool = False


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    sources.configure_rules(parser, "own,price")
    parser.add_argument(
        "--savings", type=floats, default=summary.SAVINGS, help="shares of the FLOPs: 0.3,0.45,0.6"
    )


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return all candidates, best first within a method, as a table."""
    cells = sources.read(arguments)
    rows = choose([_row(recipe, arguments.savings) for recipe in recipes(cells)])
    return Artefact("select", (_table(rows, arguments.savings),))


def choose(rows: Sequence[Row]) -> list[Row]:
    """Return `rows` by method and head, best first, with the best of each marked.

    What does not reach every saving comes last, and is never chosen.
    """
    found = []
    for group in sorted({(row.method, row.head) for row in rows}):
        mine = [row for row in rows if (row.method, row.head) == group]
        mine.sort(key=lambda row: np.inf if row.mean is None else row.mean)
        found += [replace(mine[0], chosen=mine[0].mean is not None), *mine[1:]]
    return found


def _row(recipe: Recipe, savings: Sequence[float]) -> Row:
    seeds = [summary.losses_at(curves.crossfitted(cell), savings) for cell in recipe.cells]
    losses = np.mean(seeds, axis=0)
    return Row(
        recipe.axes.method,
        recipe.axes.head,
        recipe.label,
        len(recipe.cells),
        tuple(savings),
        tuple(None if np.isnan(loss) else float(loss) for loss in losses),
        None if np.isnan(losses).any() else float(losses.mean()),
    )


def _table(rows: Sequence[Row], savings: Sequence[float]) -> Table[Row]:
    def lost(place: int) -> Column[Row]:
        return Column(
            f"Lost at {100 * savings[place]:g} % saved", lambda r: _points(r.losses[place])
        )

    columns: tuple[Column[Row], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        *(lost(place) for place in range(len(savings))),
        Column("Mean", lambda row: _points(row.mean)),
        Column("Chosen", lambda row: "chosen" if row.chosen else "", "word"),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "Accuracy lost against the plain backbone, in points, on the calibration part: thresholds "
        "from every other image are judged on the images between them, and the other way round. "
        "The best mean of each method (and head) is chosen; no test image has a part in it. n/a: a "
        "curve does not reach.",
    )
    return Table("select", "Settings, judged on the calibration part", notes, columns, tuple(rows))


def _points(loss: float | None) -> str:
    return MISSING if loss is None else f"{100 * loss:+.2f}"
