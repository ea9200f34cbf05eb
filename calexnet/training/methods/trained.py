"""A network with trained exits of its own (BranchyNet style): nothing is learnt. Needs torch.

Only thresholds are found. The network is any module whose result is its last exit's logits; its
early exits are sub-modules from features to logits, named with ``--exits``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from calexnet.registry import Part
from calexnet.training.branches import Branch
from calexnet.training.methods.base import Method, Outcome, Task


@dataclass(frozen=True)
class Trained(Method):
    """Branches as they come."""

    native_head: ClassVar[str] = "trained"
    default_rule: ClassVar[Part] = Part("cpm")

    @property
    def sees_setting(self) -> bool:
        """See `Method`."""
        return False

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Leave `branches` as they are."""
        return Outcome((None,) * len(branches), (None,) * len(branches))
