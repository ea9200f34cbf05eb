"""PTEENet: class and confidence heads, all trained by one folded loss. Needs torch.

After the code of Lahiany & Aperstein, "PTEENet", IEEE Access 2022, which is made for a frozen
network. With confidences ``h_i``, softmaxes ``y_i`` and costs ``c_i``, folded from the last exit::

    Y_i = h_i y_i + (1 - h_i) Y_{i+1}        C_i = h_i c_i + (1 - h_i) C_{i+1}
    L   = NLL(Y_1, target) + cost_weight mean(C_1)

The last exit is the backbone: its softmax, cost 1. The target is its answer. ``c_i`` counts the
exit's own head only, as in that code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.registry import Part
from calexnet.training.branches import Answer, Branch
from calexnet.training.features import tensor
from calexnet.training.heads.base import Head
from calexnet.training.methods.base import Method, Outcome, Task, together
from calexnet.training.methods.fitting import Rows


class ConfidentBranch(Branch):
    """A branch whose score is a layer of its own on the head's embedding."""

    def __init__(self, head: Head) -> None:
        super().__init__(head)
        self.confidence = nn.Linear(head.width, 1)
        # Undecided at first: a branch that starts out unsure of itself is never asked, and one
        # that is never asked never learns.
        nn.init.zeros_(self.confidence.weight)
        nn.init.zeros_(self.confidence.bias)

    def answer(self, reduced: Tensor, earlier: Sequence[Tensor]) -> Answer:
        """Return logits and the confidence, 0..1."""
        embedded = self.head.embed(reduced)
        confidence = torch.sigmoid(self.confidence(embedded)).flatten()
        return Answer(self.head.linear(embedded), confidence, None)


@dataclass(frozen=True)
class PteeNet(Method):
    """The switches of PTEENet.

    Attributes:
        cost_weight: What a unit of cost counts against the loss; 0.9 in the published CIFAR-10
            configuration.
        suffixes: Mean of the loss over all suffixes of the exits (that code's second version, also
            of that configuration), so that late branches learn too; else the first alone.
        lr: Learning rate, in place of the optimisation's: that code's, since at higher ones the
            confidences saturate before the classes are learnt.
    """

    native_head: ClassVar[str] = "pteenet"
    default_rule: ClassVar[Part] = Part("threshold")

    cost_weight: float = 0.9
    suffixes: bool = True
    lr: float = 1e-3

    @property
    def sees_setting(self) -> bool:
        """See `Method`."""
        return False

    def __post_init__(self) -> None:
        if self.cost_weight < 0 or not self.lr > 0:
            raise InputError(
                "PTEENet cannot be trained so",
                got=f"cost_weight {self.cost_weight}, lr {self.lr}",
                expected="a cost_weight of 0 or more and an lr above 0",
            )

    def branches(self, heads: Sequence[Head], score: nn.Module | None) -> tuple[Branch, ...]:
        """Return branches with a confidence of their own.

        Raises:
            InputError: Another score is asked for.
        """
        if score is not None:
            raise InputError(
                "PTEENet has a score of its own",
                got=type(score).__name__,
                fix="Leave out --score, or choose another --method",
            )
        return tuple(ConfidentBranch(head) for head in heads)

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place, all at once."""
        costs = torch.from_numpy(task.costs).float()
        task = replace(task, optimisation=replace(task.optimisation, lr=self.lr))

        def loss_of(said: list[Answer], rows: Rows) -> Tensor:
            backbone = tensor(task.train.logits, rows)
            return self.folded_loss(said, backbone, costs)

        return together(branches, task, loss_of, "PTEENet")

    def folded_loss(self, said: Sequence[Answer], backbone: Tensor, costs: Tensor) -> Tensor:
        """Return the loss of the module's text.

        Args:
            said: The branches' answers.
            backbone: float32 ``(n, classes)``, its logits.
            costs: float32 ``(exits,)``, as shares of the backbone's.
        """
        answer, cost = torch.softmax(backbone, 1), costs[-1].expand(len(backbone))
        target = backbone.argmax(1)
        terms = [_nll(answer, target) + self.cost_weight * cost.mean()]
        for branch, own_cost in zip(reversed(said), costs[:-1].flip(0), strict=True):
            assert branch.score is not None
            h = branch.score
            answer = h[:, None] * torch.softmax(branch.logits, 1) + (1 - h)[:, None] * answer
            cost = h * own_cost + (1 - h) * cost
            terms.append(_nll(answer, target) + self.cost_weight * cost.mean())
        return torch.stack(terms).mean() if self.suffixes else terms[-1]


def _nll(probabilities: Tensor, target: Tensor) -> Tensor:
    return functional.nll_loss(probabilities.clamp_min(1e-12).log(), target)
