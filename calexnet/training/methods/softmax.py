"""The plainest early exit: branches on the data's labels, one softmax threshold. Needs torch.

What BranchyNet (Teerapittayanon et al., ICPR 2016) comes to on a frozen backbone, with the largest
probability in place of its entropy.
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
class Softmax(Method):
    """Cross-entropy on labels, branch by branch."""

    native_head: ClassVar[str] = "linear"
    default_rule: ClassVar[Part] = Part("threshold")

    @property
    def sees_setting(self) -> bool:
        """See `Method`."""
        return False

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place, in order."""
        return CalexNet(target="labels", soft_weights=False).train(branches, task)
