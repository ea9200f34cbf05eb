"""Zero Time Waste: linked internal classifiers and geometric ensembles of them. Needs torch.

After the code of Wolczyk et al., "Zero Time Waste", NeurIPS 2021, which is made for a frozen
network. Two steps: (1) each classifier also reads the one before, through which no gradient flows,
and learns the data's labels; (2) for each branch `m`, an ensemble of the classifiers so far::

    logits_m = mean_{i <= m} exp(w_i) log p_i + b

learns the labels from their recorded answers. The link is a linear layer on the earlier
classifier's log-probabilities, layer-normalised as in that code's second version, beside the head's
own linear layer: the same as one layer on both put together, so that it serves any head. The
backbone's own answer is not ensembled.
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
from calexnet.training.branches import Answer, Branch, answers
from calexnet.training.heads.base import Head
from calexnet.training.methods import losses
from calexnet.training.methods.base import Method, Outcome, Task, in_batches, together
from calexnet.training.methods.fitting import Rows, fit


class Ensemble(nn.Module):
    """The weighted geometric mean of some classifiers' probabilities, as logits."""

    def __init__(self, members: int, classes: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(0.01 * torch.randn(members))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, log_probabilities: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` from log-probabilities ``(members, n, classes)``."""
        weighted = torch.exp(self.weights)[:, None, None] * log_probabilities
        return weighted.mean(0) + self.bias


class LinkedBranch(Branch):
    """A branch that reads its predecessor and answers for the ensemble so far.

    Its state is its own log-probabilities.
    """

    def __init__(self, head: Head, score: nn.Module | None, number: int) -> None:
        super().__init__(head, score, reads=range(number))
        self.link = nn.Linear(head.classes, head.classes, bias=False) if number else None
        self.ensemble = Ensemble(number + 1, head.classes)

    @property
    def state_width(self) -> int:
        """One log-probability a class."""
        return self.classes

    def answer(self, reduced: Tensor, earlier: Sequence[Tensor]) -> Answer:
        """Return the ensemble's logits and the classifier's own log-probabilities."""
        own = self.head.classify(reduced)
        if self.link is not None:
            before = functional.layer_norm(earlier[-1].detach(), (self.classes,))
            own = own + self.link(before)
        own = functional.log_softmax(own, dim=1)
        return self.scored(self.ensemble(torch.stack([*earlier, own])), own)


@dataclass(frozen=True)
class ZeroTimeWaste(Method):
    """The switches of ZTW.

    Attributes:
        ensemble_epochs: Of the second step.
        ensemble_lr: Likewise.
    """

    native_head: ClassVar[str] = "ztw"
    default_rule: ClassVar[Part] = Part("threshold")

    ensemble_epochs: int = 20
    ensemble_lr: float = 1e-2

    @property
    def sees_setting(self) -> bool:
        """See `Method`."""
        return False

    def __post_init__(self) -> None:
        if self.ensemble_epochs < 1 or not self.ensemble_lr > 0:
            raise InputError(
                "ZTW's ensemble cannot be trained so",
                got=f"{self.ensemble_epochs} epochs at {self.ensemble_lr}",
                expected="at least 1, at a rate above 0",
            )

    def branches(self, heads: Sequence[Head], score: nn.Module | None) -> tuple[Branch, ...]:
        """Return branches that read all earlier ones."""
        return tuple(LinkedBranch(head, score, k) for k, head in enumerate(heads))

    def train(self, branches: Sequence[Branch], task: Task) -> Outcome:
        """Train `branches` in place: classifiers all at once, then the ensembles."""
        truth = torch.from_numpy(task.train.truth)

        def loss_of(said: list[Answer], rows: Rows) -> Tensor:
            # The state is the log of the classifier's own softmax, which is a kind of logits too.
            own = [losses.cross_entropy(a.state, truth[rows]) for a in said if a.state is not None]
            return torch.stack(own).mean()

        outcome = together(branches, task, loss_of, "ZTW's classifiers")
        with torch.inference_mode():
            said = torch.cat(
                [
                    torch.stack(
                        [a.state for a in answers(branches, reduced) if a.state is not None]
                    )
                    for reduced in in_batches(task.train.reduced)
                ],
                dim=1,
            ).numpy()
        plan = replace(task.optimisation, epochs=self.ensemble_epochs, lr=self.ensemble_lr)
        ensembles = [branch.ensemble for branch in branches if isinstance(branch, LinkedBranch)]

        def ensemble_loss(rows: Rows) -> Tensor:
            members = torch.from_numpy(said[:, rows])
            each = [
                losses.cross_entropy(ensemble(members[: k + 1]), truth[rows]).mean()
                for k, ensemble in enumerate(ensembles)
            ]
            return torch.stack(each).mean()

        fit(ensembles, ensemble_loss, len(task.train), plan, "training ZTW's ensembles")
        return outcome
