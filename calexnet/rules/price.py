"""Thresholds at a price: what calibration accuracy is worth, against what its MACs cost. Ours.

With the price ``p`` of one pass through the whole backbone, in accuracy, leaving at exit `k` is
worth ``[right at k] - p cost_k``. The thresholds of all branches together are to make the sum over
the calibration samples as large as possible: branch by branch, over and over, each takes the cut
that is best given the others. Unlike a bar on the average of what was accepted, this asks of each
further sample whether it is worth its saving, and of each branch whether a later one does better.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.gating import NEVER, ExitTable, passes
from calexnet.rules.base import Floats, Reached, Rule, may_cut, midway, reached

_ROUNDS = 4


@dataclass(frozen=True)
class PriceRule(Rule):
    """The setting is the price; below 0 whoever leaves early has to gain accuracy by it.

    Attributes:
        costs: MACs up to each exit, the backbone's last, in any unit; a cascade fills in its own.
        pooling: Weight of other classes' samples in a class's threshold, 0..1: 1 gives one
            threshold for all classes, 0 one from each class's own samples alone.
    """

    kind: ClassVar[str] = "price"
    default: ClassVar[float] = 0.1
    settings: ClassVar[tuple[float, ...]] = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)
    grid: ClassVar[tuple[float, ...]] = (
        *(-0.5, -0.3, -0.2, -0.15, -0.1, -0.07, -0.05, -0.03, -0.02, -0.01, 0.0),
        *(round(float(price), 4) for price in np.geomspace(0.005, 3.0, 48)),
    )
    is_margin: ClassVar[bool] = True

    costs: tuple[float, ...] = ()
    pooling: float = 0.3

    def __post_init__(self) -> None:
        if not 0 <= self.pooling <= 1:
            raise InputError(
                "the price rule cannot be set up so",
                got=f"pooling {self.pooling}",
                expected="pooling from 0 to 1",
            )

    def calibrate(
        self, exits: ExitTable, truth: NDArray[np.integer], classes: int, setting: float
    ) -> Floats:
        """Return the thresholds of all branches at the price `setting`."""
        worth = (exits.labels == truth) - setting * self._shares(len(exits.labels))[:, None]
        leaves = np.zeros((exits.branches, len(truth)), dtype=np.bool_)
        found = np.full((exits.branches, classes), NEVER, dtype=np.float32)
        for _ in range(_ROUNDS):
            for k in reversed(range(exits.branches)):
                gain = worth[k] - self._going_on(worth, leaves, k)
                arrived = np.flatnonzero(~leaves[:k].any(0))
                seen = reached(exits, truth, k, arrived, classes)
                found[k] = self._best(seen, gain[arrived][~np.isnan(exits.scores[k][arrived])])
                leaves[k] = passes(exits.labels[k], exits.scores[k], found[k])
        return found

    def _find(self, reached: Reached, setting: float) -> Floats:
        """Return the thresholds of one branch as if only the backbone came after it."""
        seen = reached.survivors.scored()
        right = np.stack([seen.right, seen.backbone_right])
        costs = self._shares(reached.branches + 1)[[reached.branch, -1]]
        worth = right - setting * costs[:, None]
        return self._best(reached, worth[0] - worth[1])

    def _shares(self, exits: int) -> NDArray[np.float64]:
        """Return what each exit costs of a pass through the whole backbone."""
        if len(self.costs) != exits:
            raise InputError(
                "the price rule does not know what each exit costs",
                got=f"{len(self.costs)} costs",
                expected=f"{exits}, one an exit",
                fix="Add --rule-option costs=[...], MACs up to each exit",
            )
        shares: NDArray[np.float64] = np.array(self.costs, np.float64) / self.costs[-1]
        return shares

    def _going_on(
        self, worth: NDArray[np.float64], leaves: NDArray[np.bool_], branch: int
    ) -> NDArray[np.float64]:
        """Return what each sample comes to if it does not leave at `branch`."""
        later: NDArray[np.float64] = worth[-1].copy()
        for k in reversed(range(branch + 1, len(leaves))):
            later = np.where(leaves[k], worth[k], later)
        return later

    def _best(self, reached: Reached, gain: NDArray[np.float64]) -> Floats:
        seen = reached.survivors.scored()
        order = np.argsort(-seen.scores, kind="stable")
        falling, labels, gain = seen.scores[order], seen.labels[order], gain[order]
        found = np.full(reached.classes, NEVER, dtype=np.float32)
        if len(falling) == 0:
            return found
        allowed = may_cut(falling)
        for label in np.flatnonzero(reached.present):
            weight = np.where(labels == label, 1.0, self.pooling)
            total = np.where(allowed, np.cumsum(weight * gain), -np.inf)
            cut = int(np.argmax(total))
            if total[cut] > 0:
                found[label] = midway(falling, cut)
        return found
