"""BoostNet: the running sum by hand, and no gradient into who came before."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as functional

from calexnet import rules
from calexnet.errors import InputError
from calexnet.rules.budget import BudgetRule
from calexnet.training.branches import answers
from calexnet.training.methods.base import exit_table
from calexnet.training.methods.boostnet import BoostNet
from tests.training.methods.tasks import SHORT, fit, fixed, fresh, task


@pytest.mark.parametrize("ratio", [0.0, 0.5, 1.0])
def test_the_running_sum_worked_by_hand(ratio: float) -> None:
    branches = BoostNet(ratio=ratio).branches(fixed(3), None)
    f = [torch.tensor([row]) for row in ([1.0, 2.0, 0.0], [4.0, -2.0, 1.0], [0.0, 8.0, 1.0])]

    said = answers(branches, f)

    second = f[1] + ratio * f[0]
    for answer, expected in zip(said, [f[0], second, f[2] + ratio * second], strict=True):
        assert torch.equal(expected, answer.logits)
        assert answer.state is not None
        assert torch.equal(expected, answer.state)
        assert answer.score is None
    assert [(), (0,), (1,)] == [branch.reads for branch in branches]
    assert [3, 3, 3] == [branch.state_width for branch in branches]


def test_no_gradient_flows_into_earlier_branches() -> None:
    branches = fresh(BoostNet(), 3)

    said = answers(branches, [torch.randn(4, 3) for _ in branches])
    functional.cross_entropy(said[-1].logits, torch.tensor([0, 1, 2, 0])).backward()  # type: ignore[no-untyped-call]

    assert all(p.grad is None for branch in branches[:2] for p in branch.parameters())
    assert all(p.grad is not None for p in branches[2].parameters())


def test_the_loss_is_the_sum_over_branches() -> None:
    one_step = task(optimisation=dataclasses.replace(SHORT, epochs=1, batch=120))
    features = [torch.from_numpy(array) for array in one_step.train.reduced]
    truth = torch.from_numpy(one_step.train.truth)
    with torch.no_grad():
        said = answers(fresh(BoostNet()), features)
        expected = sum(float(functional.cross_entropy(a.logits, truth)) for a in said)

    trained = fit(BoostNet(), one_step)

    assert pytest.approx([expected] * 2, rel=1e-5) == trained.outcome.losses


def test_labels_are_learnt_and_a_later_branch_does_better() -> None:
    given = task(optimisation=dataclasses.replace(SHORT, epochs=20))

    table = exit_table(fit(BoostNet(), given).branches, given.calibration)

    accuracy = (table.labels == given.calibration.truth).mean(1)
    assert 0.6 < accuracy[0] < accuracy[1]
    assert accuracy[1] > 0.9


def test_its_rule_is_a_budget() -> None:
    assert BudgetRule() == rules.build(BoostNet.default_rule)


@pytest.mark.parametrize("ratio", [-0.1, 1.1])
def test_a_ratio_out_of_range_is_refused(ratio: float) -> None:
    with pytest.raises(
        InputError, match=rf"^BoostNet's ratio cannot be used: got {ratio}; expected 0 to 1$"
    ):
        BoostNet(ratio=ratio)
