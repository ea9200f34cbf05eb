"""PTEENet: the folded loss by hand, and a confidence beside the classes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch

from calexnet.errors import InputError
from calexnet.training.branches import Answer
from calexnet.training.methods.base import exit_table
from calexnet.training.methods.pteenet import ConfidentBranch, PteeNet
from calexnet.training.scores import Gap
from calexnet.training.spec import Optimisation
from tests.support.small_cascade import is_same
from tests.training.methods.tasks import Fixed, fit, fixed, fresh, task


def said(probabilities: list[float], confidence: float) -> Answer:
    """Return one sample's answer."""
    return Answer(torch.tensor([probabilities]).log(), torch.tensor([confidence]), None)


#: The backbone answers class 0 at 0.8; branch 1 gives it 0.5, branch 2 gives it 0.6.
BACKBONE = torch.tensor([[0.8, 0.2]]).log()
BRANCHES = [said([0.5, 0.5], 0.25), said([0.6, 0.4], 0.75)]
COSTS = torch.tensor([0.2, 0.5, 1.0])

# Folded from the back. Y_3 = 0.8, C_3 = 1.
Y2 = 0.75 * 0.6 + 0.25 * 0.8
C2 = 0.75 * 0.5 + 0.25 * 1.0
Y1 = 0.25 * 0.5 + 0.75 * Y2
C1 = 0.25 * 0.2 + 0.75 * C2


@pytest.mark.parametrize("weight", [0.0, 0.9, 2.0])
def test_the_folded_loss_worked_by_hand(weight: float) -> None:
    first = -math.log(Y1) + weight * C1

    found = PteeNet(cost_weight=weight, suffixes=False).folded_loss(BRANCHES, BACKBONE, COSTS)

    assert pytest.approx(first, rel=1e-5) == float(found)


@pytest.mark.parametrize("weight", [0.0, 0.9])
def test_the_mean_over_all_suffixes_worked_by_hand(weight: float) -> None:
    terms = [
        -math.log(0.8) + weight * 1.0,
        -math.log(Y2) + weight * C2,
        -math.log(Y1) + weight * C1,
    ]

    found = PteeNet(cost_weight=weight).folded_loss(BRANCHES, BACKBONE, COSTS)

    assert pytest.approx(sum(terms) / 3, rel=1e-5) == float(found)


def test_the_loss_is_a_mean_over_samples() -> None:
    twice = [Answer(a.logits.repeat(2, 1), torch.tensor([0.25, 0.25]), None) for a in BRANCHES[:1]]
    costs = COSTS[[0, 2]]

    one = PteeNet().folded_loss(BRANCHES[:1], BACKBONE, costs)
    two = PteeNet().folded_loss(twice, BACKBONE.repeat(2, 1), costs)

    torch.testing.assert_close(one, two)


def test_the_target_is_the_backbones_answer() -> None:
    """Sure of the other class, the branch is wrong however the data calls it."""
    wrong = PteeNet(cost_weight=0.0, suffixes=False).folded_loss(
        [said([1e-9, 1.0], 1.0)], BACKBONE, COSTS[[0, 2]]
    )

    assert float(wrong) > 20
    assert math.isfinite(float(wrong))


def test_a_score_is_a_layer_of_its_own_undecided_at_first() -> None:
    (branch,) = PteeNet().branches([Fixed()], None)
    assert isinstance(branch, ConfidentBranch)
    assert [0.5, 0.5] == branch.answer(torch.randn(2, 3), ()).score.tolist()  # type: ignore[union-attr]
    with torch.no_grad():
        branch.confidence.weight.copy_(torch.tensor([[1.0, 0.0, -1.0]]))
        branch.confidence.bias.fill_(0.5)
        branch.head.linear.weight.copy_(torch.eye(3))
        branch.head.linear.bias.zero_()

    logits, score, state = branch.answer(torch.tensor([[2.0, 5.0, 1.0]]), ())

    assert score is not None
    assert [[2.0, 5.0, 1.0]] == logits.tolist()
    assert pytest.approx(1 / (1 + math.exp(-1.5))) == score.item()
    assert state is None


def test_training_asks_more_of_a_dear_branch() -> None:
    """The dearer the exits, the less their confidences pay."""
    plan = Optimisation(epochs=30, batch=16)
    means = []
    for early in (0.1, 0.99):
        given = task(costs=np.array([early, early, 1.0]), optimisation=plan)
        trained = fit(PteeNet(lr=0.05), given)
        means.append(exit_table(trained.branches, given.calibration).scores[:2].mean())

    assert means[0] > means[1] + 0.05


def test_both_layers_learn_at_a_rate_of_its_own() -> None:
    start, trained = fresh(PteeNet()), fit(PteeNet())
    faster = fit(PteeNet(lr=0.1))

    for k, branch in enumerate(trained.branches):
        for name, weight in branch.named_parameters():
            assert not torch.equal(weight, dict(start[k].named_parameters())[name]), name
    assert not is_same(trained.weights(0), faster.weights(0))
    other_rate = fit(PteeNet(), task(optimisation=Optimisation(epochs=3, batch=16, lr=0.5)))
    assert is_same(trained.weights(0), other_rate.weights(0))


def test_labels_reach_nothing() -> None:
    given = task()
    given.train.truth[:] = (given.train.truth + 1) % 3

    assert is_same(fit(PteeNet()).weights(0), fit(PteeNet(), given).weights(0))


def test_another_score_is_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"^PTEENet has a score of its own: got Gap\. Leave out --score, or choose another "
        r"--method\.$",
    ):
        PteeNet().branches(fixed(), Gap())


@pytest.mark.parametrize("switches", [{"cost_weight": -0.1}, {"lr": 0.0}])
def test_switches_out_of_range_are_refused(switches: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"^PTEENet cannot be trained so: got cost_weight \S+, lr"):
        PteeNet(**switches)
