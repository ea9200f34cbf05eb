"""Class-precision-margin (CPM) thresholds: the paper's rule, as reconstructed.

The CalexNet paper's equation 8 has not been seen. For branch `k` and class `c`, with ``S`` the
calibration samples that no earlier branch let out::

    accepted(t) = {x in S : label_k(x) = c and score_k(x) >= t}
    threshold   = the lowest t whose accepted samples are right at least bar(c) of the time
    bar(c)      = (1 - margin) * p(c)   (relative)   or   p(c) - margin   (additive)

where ``p(c)`` is the backbone's own precision when it answers `c`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from calexnet.errors import InputError
from calexnet.gating import NEVER
from calexnet.rules.base import Bools, Floats, Reached, Rule, may_cut, midway, share

Samples = Literal["all", "survivors"]


@dataclass(frozen=True)
class CpmRule(Rule):
    """The switches of the class-precision-margin rule. Each choice is a reconstruction.

    The setting is the margin: how far below the backbone's precision a branch may stay.

    Attributes:
        margin_form: How the margin lowers the bar (see the module).
        anchor: Whether the backbone's precision is taken over all calibration samples or over the
            survivors that the branch really sees.
        population: Whether a threshold is estimated on the survivors (the paper's) or on all
            calibration samples (the paper's reference, without survivor calibration).
        min_support: Fewest samples that a threshold or a bar may be estimated from. A class with
            fewer uses the branch's pooled threshold; a branch with fewer lets nothing out.
        crossing: `lowest` takes the lowest threshold that clears the bar (the largest coverage);
            `first` stops where the running precision first falls below it.
        finite_sample: Count one more accepted sample as wrong, as conformal risk control does
            (Angelopoulos et al. 2022, equation 4): a precision seen on few samples is not kept on
            others. Ours, not the paper's.
    """

    kind: ClassVar[str] = "margin"
    default: ClassVar[float] = 0.0
    settings: ClassVar[tuple[float, ...]] = (0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
    grid: ClassVar[tuple[float, ...]] = tuple(round(-0.5 + 0.02 * i, 2) for i in range(51))
    is_margin: ClassVar[bool] = True

    margin_form: Literal["relative", "additive"] = "relative"
    anchor: Samples = "all"
    population: Samples = "survivors"
    min_support: int = 50
    crossing: Literal["lowest", "first"] = "lowest"
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

    def _find(self, reached: Reached, setting: float) -> Floats:
        """Return the thresholds of one branch at the margin `setting`."""
        anchor = reached.everyone if self.anchor == "all" else reached.survivors
        seen = (reached.everyone if self.population == "all" else reached.survivors).scored()
        pooled_bar = self.bar(share(anchor.backbone_right), setting)
        pooled = self.lowest_threshold(seen.scores, seen.right, pooled_bar)
        found = np.full(reached.classes, pooled, dtype=np.float32)
        for label in range(reached.classes):
            mine, answered = seen.labels == label, anchor.backbone_labels == label
            if min(mine.sum(), answered.sum()) < self.min_support:
                continue
            bar = self.bar(share(anchor.backbone_right[answered]), setting)
            found[label] = self.lowest_threshold(seen.scores[mine], seen.right[mine], bar)
        return found

    def lowest_threshold(self, scores: Floats, right: Bools, bar: float) -> float:
        """Return the threshold that accepts most samples at a precision of at least `bar`.

        `NEVER` if no cut with the minimum support clears the bar.

        Args:
            scores: float32 ``(n,)``, none of them NaN.
            right: bool ``(n,)``, whether the branch's answer is right.
            bar: Precision to reach, 0..1.
        """
        if len(scores) < self.min_support:
            return NEVER
        order = np.argsort(-scores, kind="stable")
        falling = scores[order]
        accepted = np.arange(1, len(falling) + 1)
        precision = np.cumsum(right[order]) / (accepted + self.finite_sample)
        allowed = may_cut(falling) & (accepted >= self.min_support)
        clears = precision >= bar - 1e-12
        if self.crossing == "first":
            fails = allowed & ~clears
            clears = clears & ~(np.cumsum(fails) > 0)
        cuts = np.flatnonzero(allowed & clears)
        return midway(falling, int(cuts[-1])) if len(cuts) else NEVER
