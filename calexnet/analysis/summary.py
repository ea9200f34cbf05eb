"""Accuracy lost at given FLOPs savings, and who is better: after the paper's tables 4 and 5."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis import curves, resampling, sources, statics
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.curves import Curve
from calexnet.analysis.recipes import Recipe, recipes
from calexnet.analysis.strokes import panels, strokes
from calexnet.arguments import floats
from calexnet.bench.report.interval import Interval
from calexnet.bench.words.figures import MISSING, interval, percent, points
from calexnet.bench.words.tables.table import Column, Table
from calexnet.errors import InputError
from calexnet.sweep.results import Answers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "Accuracy lost at given FLOPs savings, with intervals, and against another method."

Floats = NDArray[np.float64]
Verdict = Literal["better", "level", "worse"]

SAVINGS = (0.3, 0.45, 0.6)


@dataclass(frozen=True)
class Row:
    """One recipe at one saving; `None` where a curve does not reach it.

    Attributes:
        recipe: Its label.
        saved: Share of the plain backbone's MACs that is saved, all visited heads counted.
        seeds: Cells behind it.
        heads: MACs of all its heads, as a share of the plain backbone's.
        loss: The backbone's accuracy minus the cascade's on the same images, mean over seeds.
        loss_low: Lower end of its interval.
        loss_high: Upper end.
        loss_own_head: The same where only the head that an image leaves by is counted.
        against: The recipe that it is compared with; ``None`` for that recipe itself.
        shared_seeds: Seeds that both have; the comparison is over these.
        difference: Accuracy minus the other's at the same saving.
        difference_low: Lower end of its paired interval.
        difference_high: Upper end.
        verdict: ``level`` if the interval holds 0.
    """

    recipe: str
    saved: float
    seeds: int
    heads: float
    loss: float | None
    loss_low: float | None
    loss_high: float | None
    loss_own_head: float | None
    against: str | None
    shared_seeds: int
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Plain:
    """The backbone alone on one part: `right` of `images`."""

    part: str
    images: int
    right: int

    @property
    def accuracy(self) -> float:
        """As a share."""
        return self.right / self.images


@dataclass(frozen=True)
class Losses:
    """What a recipe loses at each saving.

    Attributes:
        recipe: Which.
        values: ``(seeds, savings)`` on all test images; NaN where a curve does not reach.
        own_head: Likewise, the other convention.
        draws: ``(draws, seeds, savings)`` on resampled images.
    """

    recipe: Recipe
    values: Floats
    own_head: Floats
    draws: Floats


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    sources.configure_rules(parser)
    parser.add_argument(
        "--savings", type=floats, default=SAVINGS, help="shares of the FLOPs: 0.3,0.45,0.6"
    )
    parser.add_argument(
        "--against",
        default="calexnet",
        help="the recipe to compare with: its label, or parts of it, 'calexnet, rule price'; of "
        "several that have them the one most alike",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return the losses and comparisons as a table and a figure."""
    cells = sources.read(arguments)
    found = recipes(cells)
    losses = lost(found, arguments.savings, arguments.seed)
    networks = statics.statics(found, arguments.seed)
    rows = [
        row
        for one in losses
        for row in _rows(one, losses, arguments.savings, arguments.against, arguments.seed)
    ]
    return Artefact(
        "summary",
        (_table(rows), statics.table(networks), _plain_table(plain(cells[0].answers))),
        {_CAPTION: lambda figure: _draw(figure, rows, losses)},
    )


def plain(answers: Answers) -> tuple[Plain, ...]:
    """Return what the backbone alone comes to on calibration part, test part and both together."""
    known, unseen = answers.calibration, answers.test
    parts = {"calibration": [known], "test": [unseen], "both": [known, unseen]}
    return tuple(
        Plain(
            name,
            sum(len(one) for one in some),
            sum(int(curves.backbone_right(one.table, one.truth).sum()) for one in some),
        )
        for name, some in parts.items()
    )


def lost(
    found: Sequence[Recipe], savings: Sequence[float], seed: int, draws: int = resampling.RESAMPLES
) -> tuple[Losses, ...]:
    """Return what each recipe loses at each saving, on the same resampled images.

    Raises:
        InputError: The recipes were not judged on the same test images.
    """
    by_cell = {id(cell): curves.curve(cell) for recipe in found for cell in recipe.cells}
    count = _common_count(by_cell)
    drawn: dict[int, list[Floats]] = {key: [] for key in by_cell}
    for shares in resampling.resamples(count, seed, draws):
        for key, curve in by_cell.items():
            drawn[key].append(_resampled_losses(curve, shares, savings))
    return tuple(
        Losses(
            recipe,
            np.array([losses_at(by_cell[id(c)], savings) for c in recipe.cells]),
            np.array([losses_at(by_cell[id(c)], savings, own_head=True) for c in recipe.cells]),
            np.stack([np.concatenate(drawn[id(c)]) for c in recipe.cells], axis=1),
        )
        for recipe in found
    )


def losses_at(curve: Curve, savings: Sequence[float], *, own_head: bool = False) -> Floats:
    """Return a curve's loss against its backbone at each saving, NaN where it does not reach."""
    saved = curve.saved(own_head_only=own_head).mean(1)
    plain = float(curve.backbone_right.mean())
    return np.asarray(plain - curves.at_savings(saved, curve.accuracy, savings))


def compare(one: Losses, other: Losses, place: int, seed: int) -> tuple[Interval, int] | None:
    """Return by how much `one` is more accurate than `other`, over the seeds that both have.

    Images are resampled for both together, and seeds are paired: both start from the same ones.
    ``None`` if there is no shared seed, or a curve does not reach.
    """
    shared = sorted(set(one.recipe.seeds) & set(other.recipe.seeds))
    mine = [one.recipe.seeds.index(s) for s in shared]
    theirs = [other.recipe.seeds.index(s) for s in shared]
    values = other.values[theirs, place] - one.values[mine, place]
    if not shared or np.isnan(values).any():
        return None
    draws = other.draws[:, theirs, place] - one.draws[:, mine, place]
    return resampling.interval(values, draws, seed), len(shared)


def verdict(difference: Interval) -> Verdict:
    """Return who is more accurate; ``level`` if the interval holds 0."""
    if difference.low > 0:
        return "better"
    return "worse" if difference.high < 0 else "level"


def _common_count(by_cell: Mapping[int, Curve]) -> int:
    counts = {len(curve.backbone_right) for curve in by_cell.values()}
    if len(counts) != 1:
        raise InputError("the cells were not judged on the same images", got=sorted(counts))
    return counts.pop()


def _resampled_losses(
    curve: Curve, shares: NDArray[np.float32], savings: Sequence[float]
) -> Floats:
    right = shares @ curve.right.T.astype(np.float32)
    saved = shares @ curve.saved().T.astype(np.float32)
    plain = shares @ curve.backbone_right.astype(np.float32)
    there = [curves.at_savings(*one, savings, clamp=True) for one in zip(saved, right, strict=True)]
    return np.asarray(plain[:, None] - np.stack(there), dtype=np.float64)


def _rows(
    one: Losses, losses: Sequence[Losses], savings: Sequence[float], against: str, seed: int
) -> list[Row]:
    other = _opponent(one, losses, against)
    rows = []
    for place, target in enumerate(savings):
        loss = own = None
        if not np.isnan(one.values[:, place]).any():
            loss = resampling.interval(one.values[:, place], one.draws[:, :, place], seed)
        if not np.isnan(one.own_head[:, place]).any():
            own = float(one.own_head[:, place].mean())
        compared = None if other is None else compare(one, other, place, seed)
        difference, shared = compared or (None, 0)
        rows.append(
            Row(
                one.recipe.label,
                target,
                len(one.recipe.cells),
                _heads(one.recipe),
                *_ends(loss),
                own,
                None if other is None else other.recipe.label,
                shared,
                *_ends(difference),
                None if difference is None else verdict(difference),
            )
        )
    return rows


def _heads(recipe: Recipe) -> float:
    macs = recipe.cells[0].result.macs
    return (sum(macs.branches) + sum(macs.gates)) / macs.plain


def _opponent(one: Losses, losses: Sequence[Losses], against: str) -> Losses | None:
    """Return whom to compare with: the most alike of those with these parts in their label."""
    named = [other for other in losses if other.recipe.label == against]
    parts = set(against.split(", "))
    found = named or [other for other in losses if parts <= set(other.recipe.label.split(", "))]
    if not found:
        raise InputError(
            f"no cells of {against} to compare with",
            got="; ".join(other.recipe.label for other in losses),
            fix="Name one of these with --against, or some of its parts: its method, 'rule price'",
        )
    if one in found:
        return None
    mine = one.recipe.axes

    def unlike(other: Losses) -> tuple[bool, bool, bool]:
        theirs = other.recipe.axes
        return (
            mine.head != theirs.head,
            mine.margin != theirs.margin,
            mine.options != theirs.options,
        )

    return min(found, key=unlike)


def _ends(found: Interval | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if found is None else (found.value, found.low, found.high)


def _shown(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return MISSING
    return interval(points, value, low, high)


def _table(rows: Sequence[Row]) -> Table[Row]:
    columns: tuple[Column[Row], ...] = (
        Column("Recipe", lambda row: row.recipe, "word"),
        Column("FLOPs saved", lambda row: percent(row.saved)),
        Column(
            "Accuracy lost, points, 95 % interval",
            lambda row: _shown(row.loss, row.loss_low, row.loss_high),
        ),
        Column("Lost, own head alone counted", lambda row: _points(row.loss_own_head)),
        Column("Compared with", lambda row: row.against or "", "word"),
        Column(
            "More accurate by, points, 95 % interval",
            lambda row: (
                _shown(row.difference, row.difference_low, row.difference_high)
                if row.against
                else ""
            ),
        ),
        Column("Verdict", lambda row: (row.verdict or MISSING) if row.against else "", "word"),
        Column("All heads, % of plain's FLOPs", lambda row: percent(row.heads)),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "Accuracy of the plain backbone minus that of the cascade, in points, on the same test "
        "images, where the cascade saves the given share of the FLOPs (all visited heads counted; "
        "linear between neighbouring settings). n/a: a curve does not reach. The comparison is "
        "paired: the same images, and the seeds that both recipes have.",
        "Intervals: images resampled, seeds by Student's t; with one seed they are about images "
        "alone. Verdicts are not corrected for their number: of twenty between equals one errs.",
    )
    return Table("summary", "Accuracy lost at given savings", notes, columns, tuple(rows))


def _plain_table(rows: Sequence[Plain]) -> Table[Plain]:
    columns: tuple[Column[Plain], ...] = (
        Column("Part", lambda row: row.part, "word"),
        Column("Images", lambda row: f"{row.images:,}"),
        Column("Right", lambda row: f"{row.right:,}"),
        Column("Accuracy", lambda row: f"{100 * row.accuracy:.2f} %"),
    )
    return Table("plain", "The plain backbone", (), columns, tuple(rows))


def _points(value: float | None) -> str:
    return MISSING if value is None else points(value)


_CAPTION = (
    "Accuracy lost against the plain backbone at given FLOPs savings, with 95 % intervals over "
    "test images and seeds; lower is better."
)


def _draw(figure: Figure, rows: Sequence[Row], losses: Sequence[Losses]) -> None:
    savings = sorted({row.saved for row in rows})
    for axes, mine in panels(figure, losses, lambda one: one.recipe.axes.head):
        width = 0.6 / len(mine)
        styles = strokes([one.recipe for one in mine])
        for number, (one, stroke) in enumerate(zip(mine, styles, strict=True)):
            there = [r for r in rows if r.recipe == one.recipe.label and r.loss is not None]
            middle = [savings.index(r.saved) + (number + 0.5) * width - 0.3 for r in there]
            loss, low, high = (
                100 * np.array([getattr(r, name) for r in there], dtype=np.float64)
                for name in ("loss", "loss_low", "loss_high")
            )
            errors = [np.maximum(loss - low, 0), np.maximum(high - loss, 0)]
            style = {**stroke, "linestyle": "none"}
            axes.errorbar(middle, loss, yerr=errors, capsize=3, label=one.recipe.short, **style)
        axes.axhline(0, color="black", lw=0.8)
        axes.set_xticks(range(len(savings)), [percent(saved) for saved in savings])
        axes.set_xlabel("FLOPs saved, % of the plain backbone's")
        axes.legend(fontsize=8)
    figure.axes[0].set_ylabel("accuracy lost, points")
