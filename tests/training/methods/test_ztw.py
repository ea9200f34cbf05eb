"""Zero Time Waste: the link and the ensemble by hand, and who learns from whom."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from calexnet.errors import InputError
from calexnet.training.branches import answers
from calexnet.training.methods.base import exit_table
from calexnet.training.methods.ztw import Ensemble, LinkedBranch, ZeroTimeWaste
from calexnet.training.scores import Gap
from tests.training.methods.tasks import SHORT, fit, fixed, fresh, task


def linked(count: int) -> list[LinkedBranch]:
    """Return branches whose heads answer what they are given."""
    torch.manual_seed(0)
    found = ZeroTimeWaste().branches(fixed(count), None)
    return [branch for branch in found if isinstance(branch, LinkedBranch)]


def test_the_ensemble_worked_by_hand() -> None:
    """Mean of exp(w) log p, and a bias: here log 4 + 3 log 2 halved, and so on."""
    ensemble = Ensemble(2, 2)
    with torch.no_grad():
        ensemble.weights.copy_(torch.tensor([0.0, math.log(3)]))
        ensemble.bias.copy_(torch.tensor([0.0, 1.0]))
    log_p = torch.tensor([[[1 / 4, 3 / 4]], [[1 / 2, 1 / 2]]]).log()

    logits = ensemble(log_p)

    first = (math.log(1 / 4) + 3 * math.log(1 / 2)) / 2
    second = (math.log(3 / 4) + 3 * math.log(1 / 2)) / 2 + 1
    torch.testing.assert_close(logits, torch.tensor([[first, second]]))


def test_a_fresh_ensemble_is_nearly_the_geometric_mean() -> None:
    torch.manual_seed(0)
    log_p = torch.log_softmax(torch.randn(3, 5, 4), 2)

    torch.testing.assert_close(Ensemble(3, 4)(log_p), log_p.mean(0), rtol=0.05, atol=0.05)


def test_each_branch_reads_all_before_it_and_hands_on_its_own_log_probabilities() -> None:
    branches = linked(3)

    assert [(), (0,), (0, 1)] == [branch.reads for branch in branches]
    assert [3, 3, 3] == [branch.state_width for branch in branches]
    assert [True, False, False] == [branch.link is None for branch in branches]
    assert [1, 2, 3] == [len(branch.ensemble.weights) for branch in branches]


def test_the_link_worked_by_hand() -> None:
    """Its own logits, and the earlier log-probabilities layer-normalised, through the link."""
    _, second, third = linked(3)
    one, two, own = torch.randn(3, 1, 3)
    assert second.link is not None
    assert third.link is not None
    with torch.no_grad():
        third.link.weight.copy_(torch.tensor([[2.0, 0, 0], [0, 0, 0], [0, 0, 1.0]]))
    before = (two - two.mean()) / torch.sqrt(two.var(correction=0) + 1e-5)
    linked_logits = own + torch.tensor([[2.0, 0.0, 1.0]]) * before

    answer = third.answer(own, [one, two])

    assert answer.state is not None
    torch.testing.assert_close(answer.state, torch.log_softmax(linked_logits, 1))
    members = torch.stack([one, two, answer.state])
    weighted = torch.exp(third.ensemble.weights)[:, None, None] * members
    torch.testing.assert_close(answer.logits, weighted.sum(0) / 3 + third.ensemble.bias)


def test_no_gradient_flows_through_the_link() -> None:
    branches = fresh(ZeroTimeWaste(), 3)

    said = answers(branches, [torch.randn(4, 3) for _ in branches])
    state = said[-1].state
    assert state is not None
    functional.nll_loss(state, torch.tensor([0, 1, 2, 0])).backward()  # type: ignore[no-untyped-call]

    assert all(p.grad is None for branch in branches[:2] for p in branch.parameters())
    assert all(p.grad is not None for p in branches[2].head.parameters())


def test_the_score_is_the_ensembles() -> None:
    branches = ZeroTimeWaste().branches(fixed(), Gap())
    features = [torch.randn(4, 3) for _ in branches]

    for answer in answers(branches, features):
        assert answer.score is not None
        torch.testing.assert_close(answer.score, Gap()(answer.logits))


def test_classifiers_learn_together_then_ensembles_on_what_they_recorded() -> None:
    one, many = (fit(ZeroTimeWaste(ensemble_epochs=epochs), task(3)) for epochs in (1, 30))

    for k in range(3):
        first, other = one.weights(k), many.weights(k)
        changed = {name for name in first if first[name].tobytes() != other[name].tobytes()}
        assert {"ensemble.weights", "ensemble.bias"} == changed
    assert one.outcome == many.outcome


def test_labels_are_learnt() -> None:
    given = task(3, optimisation=dataclasses.replace(SHORT, epochs=20))

    table = exit_table(fit(ZeroTimeWaste(), given).branches, given.calibration)

    accuracy = (table.labels == given.calibration.truth).mean(1)
    assert 0.6 < accuracy[0] < accuracy[1]
    assert accuracy[:3].max() > 0.9
    relabelled = dataclasses.replace(given.train, truth=(given.train.truth + 1) % 3)
    moved = fit(ZeroTimeWaste(), dataclasses.replace(given, train=relabelled))
    shifted = exit_table(moved.branches, given.calibration)
    assert ((shifted.labels[2] - 1) % 3 == given.calibration.truth).mean() > 0.9


def test_the_last_exit_is_the_backbones_own() -> None:
    given = task()

    table = exit_table(fit(ZeroTimeWaste()).branches, given.calibration)

    own = torch.softmax(torch.from_numpy(given.calibration.logits), 1).max(1)
    assert np.array_equal(own.indices.numpy(), table.labels[-1])
    assert np.array_equal(own.values.numpy(), table.scores[-1])


@pytest.mark.parametrize("switches", [{"ensemble_epochs": 0}, {"ensemble_lr": 0.0}])
def test_switches_out_of_range_are_refused(switches: dict[str, Any]) -> None:
    with pytest.raises(
        InputError,
        match=r"^ZTW's ensemble cannot be trained so: got \d+ epochs at \S+; expected at least 1, "
        r"at a rate above 0$",
    ):
        ZeroTimeWaste(**switches)
