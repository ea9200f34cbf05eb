"""A branch: what it says, in which order it is exported, and how states are handed on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from calexnet.training.branches import Answer, Branch, answers
from calexnet.training.heads.linear import LinearHead
from calexnet.training.scores import Gap
from tests.training.methods.tasks import Fixed


class Counting(Branch):
    """A branch whose state is its logits plus all that it reads."""

    @property
    def state_width(self) -> int:
        return self.classes

    def answer(self, reduced: Tensor, earlier: Sequence[Tensor]) -> Answer:
        logits = self.head.classify(reduced)
        return self.scored(logits, logits + sum(earlier, torch.zeros(())))


def test_labels_are_the_largest_logit_and_scores_its_probability() -> None:
    logits = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]]).log() + 3

    labels, scores = Answer(logits, None, None).labels_and_scores()

    assert [1, 0] == labels.tolist()
    torch.testing.assert_close(scores, torch.tensor([0.5, 0.9]))


def test_a_score_of_its_own_replaces_the_probability() -> None:
    labels, scores = Answer(
        torch.tensor([[0.0, 1.0]]), torch.tensor([0.25]), None
    ).labels_and_scores()

    assert ([1], [0.25]) == (labels.tolist(), scores.tolist())


def test_a_plain_branch_says_what_its_head_does_and_keeps_no_state() -> None:
    branch = Branch(LinearHead((4, 2, 2), 3))
    features = torch.randn(5, 4, 2, 2)

    said = branch(features)

    assert (0, (), 3) == (branch.state_width, branch.reads, branch.classes)
    assert 1 == len(said)
    assert torch.equal(branch.head(features), said[0])


@pytest.mark.parametrize("score", [None, Gap()])
def test_what_is_exported_is_logits_then_score_then_state(score: nn.Module | None) -> None:
    features = torch.randn(2, 3)

    plain, stateful = Branch(Fixed(), score)(features), Counting(Fixed(), score)(features)

    expected = [features] if score is None else [features, score(features)]
    for one, other in zip([*expected, features], stateful, strict=True):
        assert torch.equal(one, other)
    assert len(expected) == len(plain)


def test_states_are_handed_to_those_who_read_them() -> None:
    branches = [
        Counting(Fixed()),
        Branch(Fixed()),
        Counting(Fixed(), reads=[0]),
        Counting(Fixed(), reads=[0, 2]),
    ]
    features = [torch.full((1, 3), float(10**k)) for k in range(4)]

    said = answers(branches, features)

    states = [None if a.state is None else a.state[0, 0].item() for a in said]
    assert [1.0, None, 101.0, 1000.0 + 1 + 101] == states


def test_a_branch_that_is_called_reads_the_states_given() -> None:
    branch = Counting(Fixed(), reads=[0, 1])

    _, state = branch(torch.ones(1, 3), torch.full((1, 3), 10.0), torch.full((1, 3), 100.0))

    assert [[111.0] * 3] == state.tolist()
