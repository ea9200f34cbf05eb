"""Calibration of every exit: its expected error, and whether its score knows when to leave.

A small ECE does not make a good cascade (Kubaty et al. 2025, arXiv 2508.21495): what a threshold
needs is a score that ranks samples by whether leaving is the right decision. So beside ECE stands
the AUROC of the score against their target: right here, or no later exit is right either. After the
paper's table A5.1.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis import sources
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.recipes import Recipe, recipes
from calexnet.analysis.strokes import strokes
from calexnet.bench.words.figures import ratio
from calexnet.bench.words.tables.table import Column, Table
from calexnet.sweep.results import Answered, Cell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "Calibration error of every exit, and how well its score knows when to leave."

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BINS = 15


@dataclass(frozen=True)
class Row:
    """One exit of one recipe on all test images, mean over seeds.

    Attributes:
        recipe: Its label.
        exit: From 1; the last is the backbone's own head.
        seeds: Cells behind it.
        accuracy: Of the exit, were every image to leave there.
        score: Mean score.
        ece: With 15 bins of equal width; ``None`` if a score is no probability.
        ece_adaptive: With 15 bins of equally many images; likewise.
        auroc_right: Of the score against being right.
        auroc_leave: Against "right here, or no later exit is right either"; ``None`` for the last.
    """

    recipe: str
    exit: int
    seeds: int
    accuracy: float
    score: float
    ece: float | None
    ece_adaptive: float | None
    auroc_right: float | None
    auroc_leave: float | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return the table and a reliability diagram of every exit."""
    found = recipes(sources.read(arguments))
    rows = [row for recipe in found for row in _rows(recipe)]
    return Artefact("ece", (_table(rows),), {_CAPTION: lambda figure: _draw(figure, found)})


def expected_calibration_error(
    scores: Floats, right: Bools, bins: Sequence[NDArray[np.intp]]
) -> float:
    """Return ``sum over bins of |bin| / n * |accuracy - mean score|`` (Guo et al. 2017).

    Args:
        scores: ``(n,)``, 0..1.
        right: bool ``(n,)``.
        bins: Indices of the samples in each bin.
    """
    gaps = [len(b) * abs(right[b].mean() - scores[b].mean()) for b in bins if len(b)]
    return float(sum(gaps) / len(scores))


def equal_width(scores: Floats, bins: int = BINS) -> list[NDArray[np.intp]]:
    """Return bins ``(i / bins, (i + 1) / bins]`` of the scores; 0 lies in the first."""
    number = np.clip(np.ceil(scores * bins).astype(int) - 1, 0, bins - 1)
    return [np.flatnonzero(number == i) for i in range(bins)]


def equal_count(scores: Floats, bins: int = BINS) -> list[NDArray[np.intp]]:
    """Return bins of equally many scores, from the lowest on (Nguyen & O'Connor 2015)."""
    return np.array_split(np.argsort(scores, kind="stable"), bins)


def auroc(scores: Floats, positive: Bools) -> float | None:
    """Return the chance that a positive sample scores over a negative one; a tie counts half.

    The Mann-Whitney statistic over its maximum. ``None`` if all samples are alike.
    """
    hits = int(positive.sum())
    misses = len(positive) - hits
    if hits == 0 or misses == 0:
        return None
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal scores, from 1
    ranks = middle[place]
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def should_leave(test: Answered, exit: int) -> Bools:
    """Return for which samples leaving at `exit` (from 1) is right: bool ``(n,)``.

    The target of early-exit failure prediction (Kubaty et al. 2025): the exit is right, or none of
    the later ones is, so that going on would only cost.
    """
    right = test.table.labels == test.truth
    return np.asarray(right[exit - 1] | ~right[exit:].any(0))


def _rows(recipe: Recipe) -> list[Row]:
    exits = len(recipe.cells[0].answers.test.table.labels)
    return [_row(recipe, exit) for exit in range(1, exits + 1)]


def _row(recipe: Recipe, exit: int) -> Row:
    last = exit == len(recipe.cells[0].answers.test.table.labels)

    def mean(figure: Callable[[Floats, Bools], float | None]) -> float | None:
        found = [figure(*_known(cell, exit)) for cell in recipe.cells]
        return None if None in found else float(np.mean([f for f in found if f is not None]))

    def leave(cell: Cell) -> float | None:
        scores = cell.answers.test.table.scores[exit - 1]
        known = ~np.isnan(scores)
        target = should_leave(cell.answers.test, exit)
        return auroc(scores[known].astype(np.float64), target[known])

    leaving = [None if last else leave(cell) for cell in recipe.cells]
    return Row(
        recipe=recipe.label,
        exit=exit,
        seeds=len(recipe.cells),
        accuracy=mean(lambda scores, right: float(right.mean())) or 0.0,
        score=mean(lambda scores, right: float(scores.mean())) or 0.0,
        ece=mean(lambda scores, right: _error(scores, right, equal_width)),
        ece_adaptive=mean(lambda scores, right: _error(scores, right, equal_count)),
        auroc_right=mean(auroc),
        auroc_leave=None
        if None in leaving
        else float(np.mean([f for f in leaving if f is not None])),
    )


def _error(
    scores: Floats, right: Bools, divide: Callable[[Floats], list[NDArray[np.intp]]]
) -> float | None:
    if scores.min(initial=0.0) < 0 or scores.max(initial=0.0) > 1 + 1e-6:
        return None
    return expected_calibration_error(scores, right, divide(scores))


def _known(cell: Cell, exit: int) -> tuple[Floats, Bools]:
    """Return scores and rightness of the samples that have a score; NaN never exits."""
    test = cell.answers.test
    scores = test.table.scores[exit - 1].astype(np.float64)
    known = ~np.isnan(scores)
    return scores[known], (test.table.labels[exit - 1] == test.truth)[known]


def _table(rows: Sequence[Row]) -> Table[Row]:
    columns: tuple[Column[Row], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        Column("Exit", lambda row: str(row.exit)),
        Column("Accuracy", lambda row: ratio(row.accuracy)),
        Column("Mean score", lambda row: ratio(row.score)),
        Column("ECE", lambda row: ratio(row.ece)),
        Column("ECE, adaptive", lambda row: ratio(row.ece_adaptive)),
        Column("AUROC, right", lambda row: ratio(row.auroc_right)),
        Column("AUROC, should leave", lambda row: ratio(row.auroc_leave)),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        f"Every exit on all test images, mean over seeds. ECE has {BINS} bins of equal width, the "
        "adaptive one bins of equally many images; where a method's score is not meant as the "
        "chance to be right, ECE says little. A cascade lives from the last column: how well the "
        "score ranks images by whether leaving is right (right here, or no later exit is right "
        "either). 0.5 is chance.",
    )
    return Table("ece", "Calibration of every exit", notes, columns, tuple(rows))


_CAPTION = (
    "Accuracy against score at every exit, in 15 bins of equal width with at least 10 test images, "
    "seeds put together. On the diagonal, a score is the chance to be right."
)
_FEWEST = 10


def _draw(figure: Figure, found: Sequence[Recipe]) -> None:
    exits = max(len(recipe.cells[0].answers.test.table.labels) for recipe in found)
    panels = figure.subplots(1, exits, sharey=True, squeeze=False)[0]
    figure.set_size_inches(2.3 * exits + 1, 3.6)
    for number, axes in enumerate(panels, 1):
        axes.plot([0, 1], [0, 1], color="black", lw=0.8)
        for recipe, stroke in zip(found, strokes(found), strict=True):
            if number <= len(recipe.cells[0].answers.test.table.labels):
                axes.plot(*_reliability(recipe, number), label=recipe.label, **stroke)
        axes.set_title("backbone" if number == exits else f"exit {number}", fontsize=10)
        axes.set_xlabel("score")
    panels[0].set_ylabel("accuracy on the test part")
    panels[0].legend(fontsize=6.5)


def _reliability(recipe: Recipe, exit: int) -> tuple[list[float], list[float]]:
    known = [_known(cell, exit) for cell in recipe.cells]
    scores = np.concatenate([one[0] for one in known])
    right = np.concatenate([one[1] for one in known])
    bins = [b for b in equal_width(scores) if len(b) >= _FEWEST]
    return [float(scores[b].mean()) for b in bins], [float(right[b].mean()) for b in bins]
