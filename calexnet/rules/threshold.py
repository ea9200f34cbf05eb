"""One score threshold for all branches and classes: the rule of ZTW, PTEENet and BranchyNet.

It needs no calibration samples; the setting is the threshold itself. (PTEENet asks for a score
above it, here as everywhere a score equal to it leaves too.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from calexnet.rules.base import Floats, Reached, Rule


@dataclass(frozen=True)
class ThresholdRule(Rule):
    """The setting is the threshold, 0..1."""

    kind: ClassVar[str] = "threshold"
    default: ClassVar[float] = 0.9
    settings: ClassVar[tuple[float, ...]] = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
    grid: ClassVar[tuple[float, ...]] = tuple(
        sorted({*(round(0.01 * i, 2) for i in range(101)), 0.995, 0.998, 0.999, 0.9995, 0.9999})
    )

    def _find(self, reached: Reached, setting: float) -> Floats:
        """Return `setting` for every class."""
        return np.full(reached.classes, setting, dtype=np.float32)
