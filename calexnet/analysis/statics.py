"""Static networks beside the cascades: plain, cut after a stage, and random mixtures of two.

The network cut after stage k answers every image by the head of branch k; what it answers is among
the answers that a cell keeps. A random mixture sends a fixed share of the images, whichever they
are, to one network and the rest to another: its accuracy and cost are linear between theirs. A
cascade that is no better than that has learnt nothing about which images are easy.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis import resampling
from calexnet.analysis.recipes import Recipe
from calexnet.bench.words.figures import interval, percent, points
from calexnet.bench.words.tables.table import Column, Table
from calexnet.sweep.results import Cell

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Static:
    """A network cut after a stage, on the test part; mean over seeds.

    Attributes:
        recipe: That trained its head.
        network: Its name.
        cut: The stage that it ends with, from 1.
        seeds: Cells behind it.
        saved: Share of the plain backbone's MACs that is saved, all heads up to it counted.
        saved_own_head: The same with its own head alone, which is what an export has unless its
            head reads earlier ones.
        accuracy: On the test part.
        loss: The backbone's accuracy minus this one's on the same images.
        loss_low: Lower end of its 95 % interval.
        loss_high: Upper end.
    """

    recipe: str
    network: str
    cut: int
    seeds: int
    saved: float
    saved_own_head: float
    accuracy: float
    loss: float
    loss_low: float
    loss_high: float


def statics(found: Sequence[Recipe], seed: int = 0) -> tuple[Static, ...]:
    """Return every recipe's networks cut after each stage."""
    return tuple(
        _static(recipe, number, seed)
        for recipe in found
        for number in range(1, recipe.cells[0].answers.test.table.branches + 1)
    )


def _static(recipe: Recipe, number: int, seed: int) -> Static:
    right, plain = (
        np.stack([_right(cell, place) for cell in recipe.cells]) for place in (number - 1, -1)
    )
    lost = plain.astype(np.float32) - right
    parts = resampling.resamples(lost.shape[1], seed)
    draws = np.concatenate([shares @ lost.T for shares in parts]).astype(np.float64)
    loss = resampling.interval(lost.mean(1, dtype=np.float64), draws, seed)
    result = recipe.cells[0].result
    costs = [result.macs.to_exit(own_head_only=own)[number - 1] for own in (False, True)]
    saved, own_head = (float(1 - cost / result.macs.plain) for cost in costs)
    return Static(
        recipe.label,
        f"cut after {result.branches[number - 1].get('attach', f'stage {number}')}",
        number,
        len(recipe.cells),
        saved,
        own_head,
        float(right.mean()),
        loss.value,
        loss.low,
        loss.high,
    )


def _right(cell: Cell, exit_index: int) -> NDArray[np.bool_]:
    test = cell.answers.test
    return np.asarray(test.table.labels[exit_index] == test.truth)


def mixtures(cell: Cell, savings: Sequence[float] | Floats) -> Floats:
    """Return the accuracy of the best random mixture of two static networks at each saving.

    Of plain and all cut networks of a cell, on its test part; all heads up to a cut are counted.
    NaN where no two reach.
    """
    macs = cell.result.macs
    saved = [0.0, *(1 - macs.to_exit()[:-1] / macs.plain)]
    accuracy = [float(_right(cell, place).mean()) for place in (-1, *range(len(saved) - 1))]
    return best_mixtures(saved, accuracy, savings)


def best_mixtures(
    saved: Sequence[float], accuracy: Sequence[float], savings: Sequence[float] | Floats
) -> Floats:
    """Return the best that two of some networks, mixed at random, come to at each saving.

    Args:
        saved: Of each network, at least two.
        accuracy: Likewise.
        savings: Where to look; NaN comes back where no two reach.
    """
    networks = sorted(zip(saved, accuracy, strict=True))
    lines = [
        np.interp(savings, [one[0], other[0]], [one[1], other[1]], left=np.nan, right=np.nan)
        for one, other in combinations(networks, 2)
    ]
    return np.asarray(np.fmax.reduce(lines), dtype=np.float64)


def table(found: Sequence[Static]) -> Table[Static]:
    """Return the cut networks as a table."""
    columns: tuple[Column[Static], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        Column("Network", lambda row: row.network, "word"),
        Column("FLOPs saved", lambda row: percent(row.saved_own_head)),
        Column("Saved, all heads up to it counted", lambda row: percent(row.saved)),
        Column("Accuracy", lambda row: percent(row.accuracy)),
        Column(
            "Accuracy lost, points, 95 % interval",
            lambda row: interval(points, row.loss, row.loss_low, row.loss_high),
        ),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "The network that ends after a stage with the head there, and no gate: every image costs "
        "the same. calexnet-export --cut writes it, without the heads before, unless its own reads "
        "them (as in ZTW and BoostNet: then the second figure holds).",
    )
    return Table("static", "Static networks", notes, columns, tuple(found))
