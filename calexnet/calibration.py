"""Class-precision-margin (CPM) thresholds, estimated on the survivors of the earlier branches.

Plain numpy, so that a board can calibrate again on its own engines' scores.

The rule is a reconstruction: the CalexNet paper's equation 8 has not been seen. For branch `k` and
class `c`, with ``S`` the calibration samples that no earlier branch let out::

    accepted(t) = {x in S : label_k(x) = c and score_k(x) >= t}
    threshold   = the lowest t whose accepted samples are right at least bar(c) of the time
    bar(c)      = (1 - margin) * p(c)   (relative)   or   p(c) - margin   (additive)

where ``p(c)`` is the backbone's own precision when it answers `c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels, exit_rates, passes

Floats = NDArray[np.float32]

#: How far under the lowest score a threshold lies that accepts everything seen: well over the
#: differences between runtimes, well under any difference that matters.
STEP = 1e-4

MarginForm = Literal["relative", "additive"]
Anchor = Literal["all", "survivors"]
Crossing = Literal["lowest", "first"]


@dataclass(frozen=True)
class CpmRule:
    """The switches of the class-precision-margin rule. Each choice is a reconstruction.

    Attributes:
        margin_form: How the margin lowers the bar (see the module).
        anchor: Whether the backbone's precision is taken over all calibration samples or over the
            survivors that the branch really sees.
        min_support: Fewest samples that a threshold or a bar may be estimated from. A class with
            fewer uses the branch's pooled threshold; a branch with fewer lets nothing out.
        crossing: `lowest` takes the lowest threshold that clears the bar (the largest coverage);
            `first` stops where the running precision first falls below it.
        finite_sample: Count one more accepted sample as wrong, as conformal risk control does
            (Angelopoulos et al. 2022, equation 4): a precision seen on few samples is not kept on
            others. Ours, not the paper's.
    """

    margin_form: MarginForm = "relative"
    anchor: Anchor = "all"
    min_support: int = 50
    crossing: Crossing = "lowest"
    finite_sample: bool = True

    def __post_init__(self) -> None:
        if self.min_support < 1:
            raise InputError(
                "min_support cannot be used", got=self.min_support, expected="at least 1"
            )

    def bar(self, precision: float, margin: float) -> float:
        """Return the precision that accepted samples must reach."""
        if self.margin_form == "relative":
            return (1.0 - margin) * precision
        return precision - margin


@dataclass(frozen=True)
class OperatingPoint:
    """One named threshold table and what it did on the calibration samples.

    Attributes:
        name: Unique in its cascade.
        margin: The margin that the table was made for.
        thresholds: ``[branch][class]``; ``None`` = the class never exits there.
        exit_rates: Share of calibration samples that take each exit; they sum to 1.
        accuracy: Share of calibration samples that the cascade answers rightly.
    """

    name: str
    margin: float
    thresholds: tuple[tuple[float | None, ...], ...]
    exit_rates: tuple[float, ...]
    accuracy: float

    def table(self) -> Floats:
        """Return the thresholds as float32 ``(branches, classes)``, `NEVER` for ``None``."""
        rows = [[NEVER if t is None else t for t in row] for row in self.thresholds]
        return np.array(rows, dtype=np.float32)


def calibrate(
    exits: ExitTable,
    truth: NDArray[np.integer],
    *,
    classes: int,
    margin: float,
    rule: CpmRule,
) -> Floats:
    """Return thresholds for all branches, each from the survivors of the ones before.

    Args:
        exits: Answers of all exits on the calibration samples.
        truth: Integer ``(n,)``, the right classes.
        classes: Number of classes.
        margin: How far below the backbone's precision a branch may stay, 0 = not at all.
        rule: The switches.

    Returns:
        float32 ``(branches, classes)``.
    """
    thresholds = np.full((exits.branches, classes), NEVER, dtype=np.float32)
    alive = np.arange(exits.labels.shape[1])
    for branch in range(exits.branches):
        thresholds[branch] = calibrate_branch(
            exits, truth, branch, alive, classes=classes, margin=margin, rule=rule
        )
        labels, scores = exits.labels[branch][alive], exits.scores[branch][alive]
        alive = alive[~passes(labels, scores, thresholds[branch])]
    return thresholds


def calibrate_branch(
    exits: ExitTable,
    truth: NDArray[np.integer],
    branch: int,
    survivors: NDArray[np.intp],
    *,
    classes: int,
    margin: float,
    rule: CpmRule,
) -> Floats:
    """Return the thresholds of one branch: float32 ``(classes,)``.

    Args:
        exits: Answers on all calibration samples; rows past `branch` but the last are not read.
        truth: Integer ``(n,)``.
        branch: Which branch, from 0.
        survivors: Indices of the samples that reach it.
        classes: Number of classes.
        margin: See `calibrate`.
        rule: The switches.
    """
    anchor = slice(None) if rule.anchor == "all" else survivors
    backbone, anchor_truth = exits.labels[-1][anchor], truth[anchor]
    survivors = survivors[~np.isnan(exits.scores[branch][survivors])]  # NaN never exits
    labels, scores = exits.labels[branch][survivors], exits.scores[branch][survivors]
    right = labels == truth[survivors]

    pooled_bar = rule.bar(_share(backbone == anchor_truth), margin)
    pooled = lowest_threshold(scores, right, pooled_bar, rule)
    thresholds = np.full(classes, pooled, dtype=np.float32)
    for label in range(classes):
        mine, answered = labels == label, backbone == label
        if min(mine.sum(), answered.sum()) < rule.min_support:
            continue
        bar = rule.bar(_share(anchor_truth[answered] == label), margin)
        thresholds[label] = lowest_threshold(scores[mine], right[mine], bar, rule)
    return thresholds


def lowest_threshold(scores: Floats, right: NDArray[np.bool_], bar: float, rule: CpmRule) -> float:
    """Return the threshold that accepts most samples at a precision of at least `bar`.

    It lies midway between the lowest accepted score and the next lower one, so that a last-bit
    difference between two runtimes does not move a decision; with nothing below, it lies
    `STEP` under the lowest score. `NEVER` if no cut with the minimum support clears the bar.

    Args:
        scores: float32 ``(n,)``; NaN never exits and does not count.
        right: bool ``(n,)``, whether the branch's answer is right.
        bar: Precision to reach, 0..1.
        rule: Gives all but the form of the margin and its anchor.
    """
    scores, right = scores[~np.isnan(scores)], right[~np.isnan(scores)]
    if len(scores) < rule.min_support:
        return NEVER
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    accepted = np.arange(1, len(falling) + 1)
    precision = np.cumsum(right[order]) / (accepted + rule.finite_sample)
    # A cut may only fall where the score changes: equal scores leave together.
    ends = np.append(falling[1:] < falling[:-1], True)
    enough = accepted >= rule.min_support
    clears = precision >= bar - 1e-12
    if rule.crossing == "first":
        fails = ends & enough & ~clears
        clears = clears & ~(np.cumsum(fails) > 0)
    cuts = np.flatnonzero(ends & enough & clears)
    if len(cuts) == 0:
        return NEVER
    return _midway(falling, int(cuts[-1]))


def operating_point(
    name: str,
    margin: float,
    thresholds: Floats,
    exits: ExitTable,
    truth: NDArray[np.integer],
) -> OperatingPoint:
    """Return the named table with its exit rates and accuracy on the samples given."""
    taken = choose_exits(exits, thresholds)
    rates = exit_rates(taken, exits.branches + 1)
    return OperatingPoint(
        name=name,
        margin=margin,
        thresholds=tuple(
            tuple(None if np.isinf(t) and t > 0 else float(t) for t in row) for row in thresholds
        ),
        exit_rates=tuple(float(rate) for rate in rates),
        accuracy=_share(chosen_labels(exits, taken) == truth),
    )


def margin_name(margin: float) -> str:
    """Return the name of the operating point made for `margin`."""
    return f"margin-{margin:g}"


def operating_points(
    exits: ExitTable,
    truth: NDArray[np.integer],
    margins: Sequence[float],
    *,
    classes: int,
    rule: CpmRule,
) -> tuple[OperatingPoint, ...]:
    """Return one operating point a margin, strictest first."""
    points = []
    for margin in sorted(set(margins)):
        table = calibrate(exits, truth, classes=classes, margin=margin, rule=rule)
        points.append(operating_point(margin_name(margin), margin, table, exits, truth))
    return tuple(points)


def _midway(falling: Floats, cut: int) -> float:
    lowest = falling[cut]
    if cut + 1 < len(falling):
        below = falling[cut + 1]
        middle = np.float32((np.float64(lowest) + np.float64(below)) / 2)
        # Neighbouring float32 scores have no middle: then the accepted score itself is the cut.
        return float(middle) if middle > below else float(lowest)
    return float(lowest - np.float32(STEP))


def _share(hits: NDArray[np.bool_]) -> float:
    return float(hits.mean()) if len(hits) else 0.0
