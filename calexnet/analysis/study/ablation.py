"""The 2^3 ablation: distillation, weights, survivor calibration; after the paper's table A4.1.

With ``y`` the accuracy of the eight cells at one FLOPs saving and signs +1 (on) and -1 (off), the
effect of a set of factors is the usual contrast of a two-level design (Box, Hunter & Hunter,
"Statistics for Experimenters", chapter 5)::

    effect(A)  = (1/4) sum of s_A y        the mean with A minus the mean without
    effect(AB) = (1/4) sum of s_A s_B y    half the difference of A's effect with B and without
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import prod
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet.analysis import resampling, sources, summary
from calexnet.analysis.artefact import Artefact
from calexnet.analysis.recipes import Recipe, recipes
from calexnet.analysis.summary import SAVINGS, Losses
from calexnet.arguments import floats
from calexnet.bench.words.figures import MISSING, interval, percent, points
from calexnet.bench.words.tables.table import Column, Table
from calexnet.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HELP = "Effects of distillation, weights and survivor calibration, alone and together."

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Factor:
    """One part of the recipe: the option that switches it, and its values on and off."""

    name: str
    option: str
    on: str
    off: str


FACTORS = (
    Factor("distillation", "target", "distillation", "argmax"),
    Factor("weights", "soft_weights", "true", "false"),
    Factor("survivor calibration", "rule.population", "survivors", "all"),
)

#: For each factor, whether it is on.
Levels = tuple[bool, ...]


@dataclass(frozen=True)
class Effect:
    """What a factor, or several together, do to the accuracy at one saving; a share, not points."""

    factors: str
    saved: float
    seeds: int
    effect: float | None
    effect_low: float | None
    effect_high: float | None


@dataclass(frozen=True)
class Loss:
    """What one of the eight loses at one saving, mean over seeds."""

    distillation: bool
    weights: bool
    survivor_calibration: bool
    saved: float
    loss: float | None


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    sources.configure(parser)
    parser.add_argument("--savings", type=floats, default=SAVINGS, help="shares of the FLOPs")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")


def analyse(arguments: argparse.Namespace) -> Artefact:
    """Return effects and cells as tables, the effects as a figure."""
    design = eight(recipes(sources.read(arguments)))
    found = summary.lost([*design.values()], arguments.savings, arguments.seed)
    losses = dict(zip(design, found, strict=True))
    seeds = sorted(set.intersection(*(set(one.recipe.seeds) for one in found)))
    if not seeds:
        raise InputError("the eight cells of the ablation share no seed")
    rows = effects(losses, seeds, arguments.savings, arguments.seed)
    cells = [
        Loss(levels[0], levels[1], levels[2], saved, _mean(one, place))
        for levels, one in losses.items()
        for place, saved in enumerate(arguments.savings)
    ]
    return Artefact(
        "ablation",
        (_table(rows), _cells_table(cells)),
        {_CAPTION: lambda figure: _draw(figure, rows)},
    )


def eight(found: Sequence[Recipe]) -> dict[Levels, Recipe]:
    """Return the recipe of each combination of levels.

    Raises:
        InputError: One is missing, or there are several.
    """
    design: dict[Levels, list[Recipe]] = {
        levels: [] for levels in product((True, False), repeat=len(FACTORS))
    }
    for recipe in found:
        levels = _levels(recipe)
        if levels is not None:
            design[levels].append(recipe)
    for levels, mine in design.items():
        if len(mine) != 1:
            wanted = ", ".join(
                f"{f.option}={f.on if on else f.off}" for f, on in zip(FACTORS, levels, strict=True)
            )
            raise InputError(
                "the results hold no 2^3 ablation",
                got=f"{len(mine)} recipes with {wanted}",
                expected="one of each combination",
                fix="Sweep one method and head with "
                + " ".join(f"--option {f.option}={f.on},{f.off}" for f in FACTORS),
            )
    return {levels: mine[0] for levels, mine in design.items()}


def effects(
    losses: Mapping[Levels, Losses], seeds: Sequence[int], savings: Sequence[float], seed: int
) -> list[Effect]:
    """Return every effect and interaction at every saving."""
    rows = []
    sets = [some for size in (1, 2, 3) for some in combinations(range(len(FACTORS)), size)]
    for place, saved in enumerate(savings):
        for some in sets:
            values, draws = _contrast(losses, some, seeds, place)
            name = " x ".join(FACTORS[i].name for i in some)
            if np.isnan(values).any():
                rows.append(Effect(name, saved, len(seeds), None, None, None))
                continue
            found = resampling.interval(values, draws, seed)
            rows.append(Effect(name, saved, len(seeds), found.value, found.low, found.high))
    return rows


def contrast(accuracies: Mapping[Levels, Floats], some: Sequence[int]) -> Floats:
    """Return the effect of the factors `some` (indices) on accuracies of any shape."""
    signed = [
        prod(1 if levels[i] else -1 for i in some) * accuracy
        for levels, accuracy in accuracies.items()
    ]
    return np.asarray(sum(signed) / (len(accuracies) / 2), dtype=np.float64)


def _contrast(
    losses: Mapping[Levels, Losses], some: Sequence[int], seeds: Sequence[int], place: int
) -> tuple[Floats, Floats]:
    rows = {levels: [one.recipe.seeds.index(s) for s in seeds] for levels, one in losses.items()}
    values = {levels: -one.values[rows[levels], place] for levels, one in losses.items()}
    draws = {levels: -one.draws[:, rows[levels], place] for levels, one in losses.items()}
    return contrast(values, some), contrast(draws, some)


def _levels(recipe: Recipe) -> Levels | None:
    set_to = [recipe.axes.options.get(factor.option) for factor in FACTORS]
    if any(v not in (f.on, f.off) for f, v in zip(FACTORS, set_to, strict=True)):
        return None
    return tuple(v == f.on for f, v in zip(FACTORS, set_to, strict=True))


def _mean(one: Losses, place: int) -> float | None:
    found = float(one.values[:, place].mean())
    return None if np.isnan(found) else found


def _table(rows: Sequence[Effect]) -> Table[Effect]:
    columns: tuple[Column[Effect], ...] = (
        Column("Factors", lambda row: row.factors, "word"),
        Column("FLOPs saved", lambda row: percent(row.saved)),
        Column("Effect on accuracy, points, 95 % interval", _shown),
        Column("Seeds", lambda row: str(row.seeds)),
    )
    notes = (
        "A factor's effect: mean accuracy of the four cells that have it minus that of the four "
        "that have not, at the same saving. An interaction: half the difference that one makes to "
        "the effect of the other. Intervals as in the summary, over images and seeds.",
    )
    return Table("ablation", "What each part of the recipe does", notes, columns, tuple(rows))


def _cells_table(cells: Sequence[Loss]) -> Table[Loss]:
    columns: tuple[Column[Loss], ...] = (
        Column("Distillation", lambda row: _word(row.distillation), "word"),
        Column("Weights", lambda row: _word(row.weights), "word"),
        Column("Survivor calibration", lambda row: _word(row.survivor_calibration), "word"),
        Column("FLOPs saved", lambda row: percent(row.saved)),
        Column("Accuracy lost, points", lambda r: MISSING if r.loss is None else points(r.loss)),
    )
    return Table("cells", "The eight cells", ("Mean over seeds.",), columns, tuple(cells))


def _word(on: bool) -> str:
    return "on" if on else "off"


def _shown(row: Effect) -> str:
    if row.effect is None or row.effect_low is None or row.effect_high is None:
        return MISSING
    return interval(points, row.effect, row.effect_low, row.effect_high)


_CAPTION = (
    "Effect of each part of the recipe, and of parts together, on the accuracy at given FLOPs "
    "savings, with 95 % intervals; right of the line helps."
)

_MARKS = (("#d55e00", "o"), ("#0072b2", "s"), ("#009e73", "^"), ("#cc79a7", "D"))


def _draw(figure: Figure, rows: Sequence[Effect]) -> None:
    axes = figure.add_subplot()
    names = list(dict.fromkeys(row.factors for row in rows))
    savings = sorted({row.saved for row in rows})
    for number, saved in enumerate(savings):
        colour, mark = _MARKS[number % len(_MARKS)]
        mine = [row for row in rows if row.saved == saved and row.effect is not None]
        heights = [len(names) - names.index(row.factors) - 0.2 * number for row in mine]
        middle = np.array([row.effect for row in mine], dtype=np.float64) * 100
        low = np.array([row.effect_low for row in mine], dtype=np.float64) * 100
        high = np.array([row.effect_high for row in mine], dtype=np.float64) * 100
        axes.errorbar(
            middle,
            heights,
            xerr=[np.maximum(middle - low, 0), np.maximum(high - middle, 0)],
            color=colour,
            marker=mark,
            linestyle="none",
            capsize=2,
            label=f"{percent(saved)} of the FLOPs saved",
        )
    axes.axvline(0, color="black", lw=0.8)
    axes.set_yticks(range(len(names), 0, -1), [name.replace(" x ", "\nx ") for name in names])
    axes.set_xlabel("effect on accuracy, points")
    axes.legend(fontsize=8)
