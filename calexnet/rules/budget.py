"""Budgeted thresholds: fixed shares of the samples leave at each exit (MSDNet's, BoostNet's).

After the code of Boosted Dynamic Neural Networks (Yu et al., AAAI 2023) and MSDNet's "budgeted
batch": with exits 1..K+1, a share proportional to ``p ** k`` is to leave at exit `k`; branch after
branch, the threshold is the score that lets out so many of the samples that are left. It looks at
no label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from calexnet.gating import NEVER
from calexnet.rules.base import Floats, Reached, Rule, may_cut, midway


@dataclass(frozen=True)
class BudgetRule(Rule):
    """The setting is `p`: below 1 most samples leave early, above 1 most leave late."""

    kind: ClassVar[str] = "budget"
    default: ClassVar[float] = 1.0
    settings: ClassVar[tuple[float, ...]] = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)
    grid: ClassVar[tuple[float, ...]] = (
        *(q / 20 for q in range(1, 40)),
        *(2.0 + q / 4 for q in range(13)),
        *(6.0, 8.0, 12.0, 20.0, 40.0),
    )

    def _find(self, reached: Reached, setting: float) -> Floats:
        """Return the threshold of one branch, the same for every class."""
        falling = np.sort(reached.survivors.scored().scores)[::-1]
        # Of those still here, relative to this exit: any p, 0 included, divides by at least 1.
        later = np.arange(reached.branches - reached.branch + 1)
        wanted = len(falling) / (setting**later).sum()
        cuts = np.flatnonzero(may_cut(falling)) if len(falling) else np.array([], dtype=int)
        accepted = cuts + 1
        best = int(np.argmin(np.abs(accepted - wanted))) if len(cuts) else 0
        none = len(cuts) == 0 or wanted < abs(accepted[best] - wanted)
        threshold = NEVER if none else midway(falling, int(cuts[best]))
        return np.full(reached.classes, threshold, dtype=np.float32)
