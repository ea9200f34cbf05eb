"""What a threshold rule is, and what it sees of one branch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from calexnet.gating import NEVER, ExitTable, passes

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: How far under the lowest score a threshold lies that accepts everything seen: well over the
#: differences between runtimes, well under any difference that matters.
STEP = 1e-4


@dataclass(frozen=True)
class BranchAnswers:
    """One branch and the backbone on the same calibration samples.

    Attributes:
        labels: int32 ``(n,)``, the branch's.
        scores: float32 ``(n,)``, the branch's.
        right: bool ``(n,)``, whether the branch is.
        backbone_labels: int32 ``(n,)``.
        backbone_right: bool ``(n,)``.
    """

    labels: NDArray[np.int32]
    scores: Floats
    right: Bools
    backbone_labels: NDArray[np.int32]
    backbone_right: Bools

    def __len__(self) -> int:
        return len(self.labels)

    def scored(self) -> BranchAnswers:
        """Return the answers that have a score: NaN never exits, so it says nothing."""
        return self.select(~np.isnan(self.scores))

    def select(self, samples: Bools | NDArray[np.intp]) -> BranchAnswers:
        """Return the answers on some of the samples."""
        return BranchAnswers(
            self.labels[samples],
            self.scores[samples],
            self.right[samples],
            self.backbone_labels[samples],
            self.backbone_right[samples],
        )


@dataclass(frozen=True)
class Reached:
    """What a rule sees of one branch.

    Attributes:
        branch: Which one, from 0.
        branches: How many there are.
        present: bool ``(classes,)``, which classes have any calibration sample.
        everyone: All calibration samples.
        survivors: Those that no earlier branch let out.
    """

    branch: int
    branches: int
    present: Bools
    everyone: BranchAnswers
    survivors: BranchAnswers

    @property
    def classes(self) -> int:
        """How many classes there are."""
        return len(self.present)


def reached(
    exits: ExitTable,
    truth: NDArray[np.integer],
    branch: int,
    survivors: NDArray[np.intp],
    classes: int,
) -> Reached:
    """Return what a rule sees of `branch` (from 0) when the samples `survivors` reach it."""
    labels, scores = exits.labels[branch], exits.scores[branch]
    backbone = exits.labels[-1]
    all_samples = BranchAnswers(labels, scores, labels == truth, backbone, backbone == truth)
    return Reached(
        branch,
        exits.branches,
        np.bincount(truth, minlength=classes)[:classes] > 0,
        all_samples,
        all_samples.select(survivors),
    )


@dataclass(frozen=True)
class Rule(ABC):
    """A way to find thresholds, with its switches as fields.

    Attributes:
        kind: What its setting is called: ``margin``, ``threshold``, ... Names operating points.
        default: The setting that a cascade uses unless told otherwise.
        settings: Those that every cascade gets operating points for.
        grid: A dense range, from (nearly) nobody leaving to (nearly) everybody, for curves.
        is_margin: Whether the setting says how much a cascade may lose, whatever it is called: then
            ``calexnet sweep --margins`` varies it.
    """

    kind: ClassVar[str]
    default: ClassVar[float]
    settings: ClassVar[tuple[float, ...]]
    grid: ClassVar[tuple[float, ...]]
    is_margin: ClassVar[bool] = False

    def calibrate(
        self, exits: ExitTable, truth: NDArray[np.integer], classes: int, setting: float
    ) -> Floats:
        """Return the thresholds of all branches, each from the survivors of the ones before.

        Args:
            exits: Answers of all exits on the calibration samples.
            truth: Integer ``(n,)``, the right classes.
            classes: Number of classes.
            setting: A margin, a slack, a threshold, a budget, a price.

        Returns:
            float32 ``(branches, classes)``.
        """
        found = np.full((exits.branches, classes), NEVER, dtype=np.float32)
        alive = np.arange(len(truth))
        for branch in range(exits.branches):
            seen = reached(exits, truth, branch, alive, classes)
            found[branch] = self.thresholds(seen, setting)
            labels, scores = exits.labels[branch][alive], exits.scores[branch][alive]
            alive = alive[~passes(labels, scores, found[branch])]
        return found

    def thresholds(self, reached: Reached, setting: float) -> Floats:
        """Return the thresholds of one branch: float32 ``(classes,)``.

        A class that has no calibration sample never exits: nothing is known of it.
        """
        found = self._find(reached, setting)
        return np.where(reached.present, found, np.float32(NEVER)).astype(np.float32)

    @abstractmethod
    def _find(self, reached: Reached, setting: float) -> Floats:
        """Return the thresholds: float32 ``(classes,)``, `NEVER` for who stays."""


def midway(falling: Floats, cut: int) -> float:
    """Return a threshold that lets out exactly the first ``cut + 1`` of the falling scores.

    It lies midway to the next lower score, so that a last-bit difference between two runtimes does
    not move a decision; with nothing below, `STEP` under the lowest.
    """
    lowest = falling[cut]
    if cut + 1 < len(falling):
        below = falling[cut + 1]
        middle = np.float32((np.float64(lowest) + np.float64(below)) / 2)
        # Neighbouring float32 scores have no middle: then the accepted score itself is the cut.
        return float(middle) if middle > below else float(lowest)
    return float(lowest - np.float32(STEP))


def may_cut(falling: Floats) -> Bools:
    """Return after which of the falling scores a cut may fall: equal scores leave together."""
    return np.append(falling[1:] < falling[:-1], True)


def share(hits: Bools) -> float:
    """Return the share of True, 0 of nothing."""
    return float(hits.mean()) if len(hits) else 0.0
