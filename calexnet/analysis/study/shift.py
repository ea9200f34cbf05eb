"""What stays: how the class mix changes from branch to branch. After the paper's table A6.1.

What that table measures has not been seen; this is a reconstruction::

    KL   = sum over classes of p_S ln(p_S / p)     in nats; S = samples that reach a branch
    Gini = sum over i, j of |p_i - p_j| / (2 C)    of the class shares; 0 = all of them alike
    ESS  = (sum w)^2 / sum w^2                     of the branch's training weights

The last is Kish's effective sample size (1965); the method reports it when it trains.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis import operating, sources
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.recipes import Recipe, mean_of, recipes
from calexnet.analysis.strokes import strokes
from calexnet.bench.words.figures import percent, ratio, significant
from calexnet.bench.words.tables.table import Column, Table
from calexnet.sweep.results import Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "How the survivors' class mix shifts from branch to branch."

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """Who reaches one exit, mean over seeds.

    Attributes:
        recipe: Its label.
        exit: From 1; everybody reaches the first.
        seeds: Cells behind it.
        saved: Share of the backbone's MACs that the cascade saves at this operating point.
        reached: Share of the test images that reach the exit.
        kl: Of their class mix from that of all, nats; ``None`` if nobody reaches it.
        gini: Of their class mix.
        effective_samples: Of the branch's training weights; ``None`` for the backbone.
        effective_share: The same, as a share of the training images.
    """

    recipe: str
    exit: int
    seeds: int
    saved: float
    reached: float
    kl: float | None
    gini: float | None
    effective_samples: float | None
    effective_share: float | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    operating.configure(parser)


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return the shift as a table and a figure."""
    found = recipes(sources.read(arguments))
    rows = [row for recipe in found for row in _rows(recipe, arguments.saving)]
    caption = (
        "Divergence of the survivors' class mix from that of all test images, exit by exit, where "
        f"the cascade saves about {percent(arguments.saving)} of the FLOPs; mean over seeds."
    )
    return Artefact("shift", (_table(rows),), {caption: lambda figure: _draw(figure, rows, found)})


def class_mix(truth: NDArray[np.int32], classes: int) -> Floats:
    """Return each class's share, float64 ``(classes,)``; all 0 for no samples."""
    return np.bincount(truth, minlength=classes) / max(len(truth), 1)


def divergence(survivors: Floats, everyone: Floats) -> float:
    """Return KL(survivors || everyone) in nats; a class that is not there adds nothing."""
    there = survivors > 0
    return float((survivors[there] * np.log(survivors[there] / everyone[there])).sum())


def gini(shares: Floats) -> float:
    """Return Gini's coefficient of shares that sum to 1: 0 = all alike, 1 - 1 / C = one has all."""
    return float(np.abs(shares[:, None] - shares[None, :]).sum() / (2 * len(shares) * shares.sum()))


def _rows(recipe: Recipe, saving: float) -> list[Row]:
    found = [_of_cell(cell, saving) for cell in recipe.cells]
    rows = []
    for exit, seeds in enumerate(zip(*found, strict=True), 1):
        rows.append(
            Row(
                recipe.label,
                exit,
                len(seeds),
                saved=float(np.mean([one.saved for one in seeds])),
                reached=float(np.mean([one.reached for one in seeds])),
                kl=mean_of([one.kl for one in seeds]),
                gini=mean_of([one.gini for one in seeds]),
                effective_samples=mean_of([one.effective_samples for one in seeds]),
                effective_share=mean_of([one.effective_share for one in seeds]),
            )
        )
    return rows


@dataclass(frozen=True)
class _Reach:
    """The figures of a `Row` for one seed."""

    saved: float
    reached: float
    kl: float | None
    gini: float | None
    effective_samples: float | None
    effective_share: float | None


def _of_cell(cell: Cell, saving: float) -> list[_Reach]:
    taken = operating.near(cell, saving)
    truth, classes = cell.answers.test.truth, len(cell.result.classes)
    everyone = class_mix(truth, classes)
    rows = []
    for exit in range(1, cell.answers.test.table.branches + 2):
        here = taken.exits >= exit
        mix = class_mix(truth[here], classes)
        kl, spread = (divergence(mix, everyone), gini(mix)) if here.any() else (None, None)
        samples, share = _effective(cell, exit)
        rows.append(_Reach(taken.saved, float(here.mean()), kl, spread, samples, share))
    return rows


def _effective(cell: Cell, exit: int) -> tuple[float | None, float | None]:
    branches = cell.result.branches
    worth = branches[exit - 1].get("effective_samples") if exit <= len(branches) else None
    if worth is None:
        return None, None
    return float(worth), float(worth) / cell.result.spec.split.parts["train"].samples


def _table(rows: Sequence[Row]) -> Table[Row]:
    columns: tuple[Column[Row], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        Column("Exit", lambda row: str(row.exit)),
        Column("FLOPs saved", lambda row: percent(row.saved)),
        Column("Images that reach it", lambda row: percent(row.reached)),
        Column("KL, nats", lambda row: ratio(row.kl)),
        Column("Gini", lambda row: ratio(row.gini)),
        Column("Effective training images", lambda row: significant(row.effective_samples)),
        Column("Share of all", lambda row: percent(row.effective_share)),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "Which images reach an exit, by their true class, at the operating point whose saving on "
        "the calibration part is nearest to the one asked for; judged on the test part. KL is from "
        "the class mix of all test images; Gini is of the survivors' class shares. The effective "
        "number of training images is that of the branch's weights. A reconstruction.",
    )
    return Table("shift", "Survivor shift", notes, columns, tuple(rows))


def _draw(figure: Figure, rows: Sequence[Row], found: Sequence[Recipe]) -> None:
    axes = figure.add_subplot()
    for recipe, stroke in zip(found, strokes(found), strict=True):
        mine = [(r.exit, r.kl) for r in rows if r.recipe == recipe.label and r.kl is not None]
        axes.plot(*zip(*mine, strict=True), label=recipe.label, **stroke)
    axes.set_xticks(sorted({row.exit for row in rows}))
    axes.set_xlabel("exit (the last is the backbone's own head)")
    axes.set_ylabel("KL(survivors || all), nats")
    axes.legend(fontsize=8)
