"""Promised precision beside kept precision, branch by branch.

A threshold promises the precision that the calibration images have on which it was found; what it
keeps shows on the test images. The backbone on these same images says what the precision is worth.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from calexnet.analysis import operating, sources
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.recipes import Recipe, mean_of, recipes
from calexnet.analysis.strokes import strokes
from calexnet.bench.words.figures import MISSING, percent, points
from calexnet.bench.words.tables.table import Column, Table
from calexnet.calibration import OperatingPoint, operating_point
from calexnet.sweep.results import Answered, Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "The precision that each branch's thresholds promised, beside the one they kept."


@dataclass(frozen=True)
class Row:
    """One branch of one recipe at one operating point, mean over seeds; shares.

    Attributes:
        recipe: Its label.
        branch: From 1.
        seeds: Cells behind it.
        saved: FLOPs saved on the test part.
        leave: Test images that leave at the branch.
        promised: Precision of the calibration images that leave there; ``None`` if a seed has none.
        kept: Of the test images, likewise.
        backbone: What the backbone would have been right on, of the same test images.
    """

    recipe: str
    branch: int
    seeds: int
    saved: float
    leave: float
    promised: float | None
    kept: float | None
    backbone: float | None

    @property
    def missed(self) -> float | None:
        """How far the kept precision stays below the promised one."""
        if self.promised is None or self.kept is None:
            return None
        return self.promised - self.kept


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    sources.configure_rules(parser)
    operating.configure(parser)


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return promises and what was kept of them as a table and a figure."""
    found = recipes(sources.read(arguments))
    rows = [row for recipe in found for row in _rows(recipe, arguments.saving)]
    return Artefact(
        "promises", (_table(rows),), {_CAPTION: lambda figure: _draw(figure, rows, found)}
    )


def kept(cell: Cell, saving: float) -> list[Row]:
    """Return a cell's branches where its calibration images save nearest to `saving`."""
    taken = operating.near(cell, saving)
    promised = _point(taken, cell.answers.calibration)
    test = cell.answers.test
    seen = _point(taken, test)
    backbone = test.table.labels[-1] == test.truth
    rows = []
    for k in range(test.table.branches):
        here = taken.exits == k + 1
        rows.append(
            Row(
                "",
                k + 1,
                1,
                taken.saved,
                float(here.mean()),
                promised.precisions[k],
                seen.precisions[k],
                float(backbone[here].mean()) if here.any() else None,
            )
        )
    return rows


def _point(taken: operating.Taken, part: Answered) -> OperatingPoint:
    return operating_point("", taken.setting, taken.thresholds, part.table, part.truth)


def _rows(recipe: Recipe, saving: float) -> list[Row]:
    rows = []
    for seeds in zip(*(kept(cell, saving) for cell in recipe.cells), strict=True):
        rows.append(
            Row(
                recipe.label,
                seeds[0].branch,
                len(seeds),
                float(np.mean([one.saved for one in seeds])),
                float(np.mean([one.leave for one in seeds])),
                mean_of([one.promised for one in seeds]),
                mean_of([one.kept for one in seeds]),
                mean_of([one.backbone for one in seeds]),
            )
        )
    return rows


def _table(rows: Sequence[Row]) -> Table[Row]:
    columns: tuple[Column[Row], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        Column("Branch", lambda row: str(row.branch)),
        Column("FLOPs saved", lambda row: percent(row.saved)),
        Column("Leave here", lambda row: percent(row.leave)),
        Column("Promised", lambda row: percent(row.promised)),
        Column("Kept", lambda row: percent(row.kept)),
        Column("Missed by, points", lambda r: MISSING if r.missed is None else points(r.missed)),
        Column("Backbone on the same", lambda row: percent(row.backbone)),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "Precision of the images that leave at each branch, at the operating point whose saving on "
        "the calibration part is nearest to the one asked for. Promised: on the calibration images "
        "that the thresholds were found on. Kept: on the test images. Beside it the backbone's own "
        "answers on these same test images. n/a: in a seed nobody leaves there.",
    )
    return Table("promises", "Promised and kept precision", notes, columns, tuple(rows))


_CAPTION = (
    "Kept precision against promised precision, a mark a branch, mean over seeds; below the line a "
    "promise was not kept."
)


def _draw(figure: Figure, rows: Sequence[Row], found: Sequence[Recipe]) -> None:
    axes = figure.add_subplot()
    shares = [
        share
        for row in rows
        for share in (row.promised, row.kept)
        if row.missed is not None and share
    ]
    if shares:
        ends = [100 * min(shares), 100 * max(shares)]
        axes.plot(ends, ends, color="black", lw=0.8)
    for recipe, stroke in zip(found, strokes(found), strict=True):
        mine = [r for r in rows if r.recipe == recipe.label and r.missed is not None]
        promised = [100 * r.promised for r in mine if r.promised is not None]
        axes.plot(
            promised,
            [100 * r.kept for r in mine if r.kept is not None],
            label=recipe.label,
            **{**stroke, "linestyle": "none"},
        )
    axes.set_xlabel("promised precision, %")
    axes.set_ylabel("kept precision, %")
    axes.legend(fontsize=8)
