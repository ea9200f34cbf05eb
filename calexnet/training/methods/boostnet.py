"""BoostNet: each branch adds to a running sum of logits. Needs torch.

After Yu et al., "Boosted Dynamic Neural Networks", AAAI 2023, which trains a whole network::

    F_k = f_k + ratio F_{k-1},   F_0 = 0,   L = sum_k CE(f_k + stopgrad(ratio F_{k-1}), label)

On a frozen backbone only the heads ``f_k`` learn, so that its balancing of gradients between
stages has nothing to do; how the CalexNet paper ported it is unknown. The backbone's own answer
stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.registry import Part
from calexnet.training.branches import Answer, Branch
from calexnet.training.heads.base import Head
from calexnet.training.methods import losses
from calexnet.training.methods.base import Method, Outcome, Task, together
from calexnet.training.methods.fitting import Rows


class AddingBranch(Branch):
    """A branch that adds its head's logits to the sum so far; the sum is its state."""

    def __init__(self, head: Head, score: nn.Module | None, number: int, ratio: float) -> None:
        super().__init__(head, score, reads=[number - 1] if number else [])
        self.ratio = ratio

    @property
    def state_width(self) -> int:
        """One running logit a class."""
        return self.classes

    def answer(self, reduced: Tensor, earlier: Sequence[Tensor]) -> Answer:
        """Return the sum; no gradient flows into the earlier branches."""
        total = self.head.classify(reduced)
        if earlier:
            total = total + self.ratio * earlier[0].detach()
        return self.scored(total, total)


@dataclass(frozen=True)
class BoostNet(Method):
    """The switches of BoostNet.

    Attributes:
        ratio: How much of the earlier sum counts, 0.5 in its code.
    """

    native_head: ClassVar[str] = "boostnet"
    default_rule: ClassVar[Part] = Part("budget")

    ratio: float = 0.5

    @property
    def sees_setting(self) -> bool:
        """See `Method`."""
        return False

    def __post_init__(self) -> None:
        if not 0 <= self.ratio <= 1:
            raise InputError("BoostNet's ratio cannot be used", got=self.ratio, expected="0 to 1")

    def branches(self, heads: Sequence[Head], score: nn.Module | None) -> tuple[Branch, ...]:
        """Return branches that add to each other."""
        return tuple(AddingBranch(head, score, k, self.ratio) for k, head in enumerate(heads))

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place, all at once."""
        truth = torch.from_numpy(task.train.truth)

        def loss_of(said: list[Answer], rows: Rows) -> Tensor:
            each = [losses.cross_entropy(answer.logits, truth[rows]).mean() for answer in said]
            return torch.stack(each).sum()

        return together(branches, task, loss_of, "BoostNet")
