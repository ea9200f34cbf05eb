"""Thresholds with a paired bar: branch and backbone on the same accepted samples. Ours.

A branch accepts easy samples, on which the backbone does better than on average. So a bar at the
backbone's average precision is too low for them. Here a branch may lose at most `slack` against the
backbone on the very samples that it lets out::

    regret(x)  = [backbone right on x] - [branch right on x]
    threshold  = the lowest t with  sum w regret / sum w <= slack  over  {x in S : score(x) >= t}

For the threshold of class `c` a survivor that the branch calls `c` has the weight 1, any other the
weight `pooling`: 1 gives one threshold for all classes, 0 one from each class's own samples alone,
between them each class is shrunk towards all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from calexnet.errors import InputError
from calexnet.gating import NEVER
from calexnet.rules.base import Floats, Reached, Rule, may_cut, midway


@dataclass(frozen=True)
class PairedRule(Rule):
    """The setting is the slack: accuracy that may be lost on the samples that leave at a branch.

    Attributes:
        pooling: Weight of other classes' samples, 0..1.
        min_support: Fewest samples, by weight, that a threshold may be estimated from.
        finite_sample: Count one more accepted sample as lost, as conformal risk control does
            (Angelopoulos et al. 2022, equation 4).
    """

    kind: ClassVar[str] = "slack"
    default: ClassVar[float] = 0.01
    settings: ClassVar[tuple[float, ...]] = (0.005, 0.01, 0.02, 0.05, 0.1)
    grid: ClassVar[tuple[float, ...]] = (
        *(round(-0.05 + 0.005 * i, 3) for i in range(41)),
        *(round(0.16 + 0.02 * i, 2) for i in range(23)),
    )
    is_margin: ClassVar[bool] = True

    pooling: float = 1.0
    min_support: int = 50
    finite_sample: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.pooling <= 1 or self.min_support < 1:
            raise InputError(
                "the paired rule cannot be set up so",
                got=f"pooling {self.pooling}, min_support {self.min_support}",
                expected="pooling from 0 to 1, and a support of at least 1",
            )

    def _find(self, reached: Reached, setting: float) -> Floats:
        """Return the thresholds of one branch at the slack `setting`."""
        seen = reached.survivors.scored()
        order = np.argsort(-seen.scores, kind="stable")
        falling, labels = seen.scores[order], seen.labels[order]
        regret = (seen.backbone_right.astype(float) - seen.right)[order]
        found = np.full(reached.classes, NEVER, dtype=np.float32)
        for label in range(reached.classes):
            weight = np.where(labels == label, 1.0, self.pooling)
            support = np.cumsum(weight)
            lost = np.cumsum(weight * regret) + self.finite_sample
            clears = lost <= setting * (support + self.finite_sample) + 1e-12
            cuts = np.flatnonzero(may_cut(falling) & clears & (support >= self.min_support))
            if len(cuts):
                found[label] = midway(falling, int(cuts[-1]))
        return found
