"""Thresholds for a build whose scores are slightly others: carried over, not found anew.

A threshold found anew on a narrow build's own scores is a second draw of the same lottery: where a
rule's bar lies at the edge of what so few samples can show, one more right answer of the backbone
closes a branch for good. The two builds answer the same samples, so what a threshold does in one
can be had in the other: the same place among all samples' scores at that branch.
"""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

from calexnet.gating import ExitTable, choose_exits, chosen_labels
from calexnet.rules.base import STEP

Floats = NDArray[np.float32]

#: Chance at which a build that is no worse may be taken for one that is.
_ALPHA = 0.05


def carried(thresholds: Floats, reference: ExitTable, found: ExitTable) -> Floats:
    """Return the thresholds by which `found` lets out what `reference` does by `thresholds`.

    At each branch as many scores are at or above the new threshold as were at or above the old one,
    and it lies at the same share of the way from one score to the next. `NEVER` stays.

    Args:
        thresholds: float32 ``(branches, classes)``, of the reference.
        reference: What it answers.
        found: What the other build answers for the same samples.
    """
    rows = []
    for branch, bars in enumerate(thresholds):
        falling = [_falling(table.scores[branch]) for table in (reference, found)]
        rows.append([_carried(float(bar), *falling) for bar in bars])
    return np.array(rows, dtype=np.float32).reshape(thresholds.shape)


def surely_worse(
    reference: ExitTable,
    thresholds: Floats,
    found: ExitTable,
    others: Floats,
    truth: NDArray[np.integer],
) -> bool:
    """Return whether leaving early costs `found` surely more accuracy than it costs `reference`.

    What it costs is counted against each side's own backbone, which narrowing may change too. A
    one-sided sign test over the samples on which the two costs differ.

    Args:
        reference: What the full build answers.
        thresholds: Its thresholds.
        found: What the other build answers for the same samples.
        others: Its thresholds.
        truth: Integer ``(n,)``, the right classes.
    """
    change = _lost(found, others, truth) - _lost(reference, thresholds, truth)
    worse, better = int((change > 0).sum()), int((change < 0).sum())
    differing = worse + better
    chance = sum(comb(differing, count) for count in range(worse, differing + 1)) / 2**differing
    return bool(chance < _ALPHA)


def _lost(table: ExitTable, thresholds: Floats, truth: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return 1 where the backbone is right and the cascade is not, -1 for the reverse: ``(n,)``."""
    right = chosen_labels(table, choose_exits(table, thresholds)) == truth
    lost: NDArray[np.int64] = (table.labels[-1] == truth).astype(np.int64) - right
    return lost


def _falling(scores: Floats) -> NDArray[np.float64]:
    return np.sort(scores[~np.isnan(scores)].astype(np.float64))[::-1]


def _carried(bar: float, old: NDArray[np.float64], new: NDArray[np.float64]) -> float:
    if not np.isfinite(bar) or len(old) == 0 or len(new) == 0:
        return bar
    out = int((old >= bar).sum())
    cut = _nearest_cut(new, round(out * len(new) / len(old)))
    if cut == 0:
        return _above(float(new[0]), bar - float(old[0]))
    if cut == len(new):
        return float(np.float32(new[-1] - max(float(old[-1]) - bar, STEP)))
    share = (old[out - 1] - bar) / (old[out - 1] - old[out]) if 0 < out < len(old) else 0.5
    between = np.float32(new[cut - 1] - share * (new[cut - 1] - new[cut]))
    return float(between if between > new[cut] else new[cut - 1])


def _above(highest: float, by: float) -> float:
    """Return a float32 number over every score, by as much as it was if that is anything."""
    least = np.nextafter(np.float32(highest), np.float32(np.inf))
    return float(max(least, np.float32(highest + by)))


def _nearest_cut(falling: NDArray[np.float64], wanted: int) -> int:
    """Return how many scores to let out: equal ones leave together; the fewer of two as near."""
    cuts = np.flatnonzero(np.append(falling[1:] < falling[:-1], True)) + 1
    allowed = np.concatenate([[0], cuts])
    return int(allowed[np.argmin(np.abs(allowed - wanted))])
