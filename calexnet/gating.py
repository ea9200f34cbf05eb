"""The gate, in numpy: which exit each sample takes, from all branches' labels and scores.

The compiled segments decide one sample at a time; this file decides for tables of recorded answers,
so that any threshold table can be judged without running anything again. Both must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A threshold that no score reaches: the class never exits at that branch. ``null`` in JSON.
NEVER = np.inf


@dataclass(frozen=True)
class ExitTable:
    """What every exit would answer for every sample, were it asked.

    Attributes:
        labels: int32 ``(exits, n)``; the last row is the backbone's own head.
        scores: float32 ``(exits, n)``.
    """

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]

    @property
    def branches(self) -> int:
        """Number of branches, one less than the number of exits."""
        return len(self.labels) - 1

    def select(self, samples: NDArray[np.intp]) -> ExitTable:
        """Return the table of some samples only."""
        return ExitTable(self.labels[:, samples], self.scores[:, samples])


def leaves(score: Any, bar: Any) -> Any:
    """Return ``score >= bar``, of arrays or of torch's tensors alike; NaN never leaves.

    The gate's comparison. `calexnet.export.graph.operators.append_gate` writes it into graphs.
    """
    return score >= bar


def passes(
    labels: NDArray[np.int32], scores: NDArray[np.float32], threshold: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return which samples the gate lets out: ``score >= threshold[label]``; NaN never exits.

    Args:
        labels: int32 ``(n,)``.
        scores: float32 ``(n,)``.
        threshold: float32 ``(classes,)``.
    """
    return np.asarray(leaves(scores, threshold[labels]), dtype=np.bool_)


def forcing(shape: tuple[int, ...], number: int) -> NDArray[np.float32]:
    """Return thresholds ``(branches, classes)`` by which every sample leaves at exit `number`."""
    table = np.full(shape, NEVER, dtype=np.float32)
    if number <= shape[0]:
        table[number - 1] = -np.inf
    return table


def choose_exits(table: ExitTable, thresholds: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the exit that each sample takes, counted from 1: int32 ``(n,)``.

    Args:
        table: Answers of all exits.
        thresholds: float32 ``(branches, classes)``.
    """
    samples = table.labels.shape[1]
    exits = np.full(samples, table.branches + 1, dtype=np.int32)
    for branch in reversed(range(table.branches)):
        out = passes(table.labels[branch], table.scores[branch], thresholds[branch])
        exits[out] = branch + 1
    return exits


def chosen_labels(table: ExitTable, exits: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the label that each sample leaves with: int32 ``(n,)``."""
    answers: NDArray[np.int32] = table.labels[exits - 1, np.arange(len(exits))]
    return answers


def exit_rates(exits: NDArray[np.int32], count: int) -> NDArray[np.float64]:
    """Return the share of samples that take each of `count` exits: float64 ``(count,)``."""
    return np.bincount(exits - 1, minlength=count) / max(len(exits), 1)
