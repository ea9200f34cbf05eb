"""The CalexNet paper's reference: no alignment, no distillation. Needs torch.

Branches learn the backbone's hard answer, every sample counts alike, and thresholds are found on
all calibration samples, whoever exited before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from calexnet.registry import Part
from calexnet.training.branches import Branch
from calexnet.training.methods.base import Method, Outcome, Task
from calexnet.training.methods.calexnet import CalexNet


@dataclass(frozen=True)
class Reference(Method):
    """CalexNet with each of its three parts taken out."""

    native_head: ClassVar[str] = "prototype"
    default_rule: ClassVar[Part] = Part("cpm", {"population": "all"})

    @property
    def sees_setting(self) -> bool:
        """See `Method`."""
        return False

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place, in order."""
        return CalexNet(target="argmax", soft_weights=False).train(branches, task)
