"""What each method's branches answer and learn: worked by hand, on branches without features."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from calexnet import methods, rules
from calexnet.branches import Answer, Branch, answers
from calexnet.errors import InputError, TrainingError
from calexnet.features import Features
from calexnet.gating import ExitTable
from calexnet.heads.linear import LinearHead
from calexnet.methods import losses
from calexnet.methods.base import Task, ask, exit_table
from calexnet.methods.boostnet import BoostNet
from calexnet.methods.calexnet import CalexNet, effective_samples, normalised, survival
from calexnet.methods.fitting import Optimisation, fit
from calexnet.methods.pteenet import PteeNet
from calexnet.methods.ztw import Ensemble, LinkedBranch, ZeroTimeWaste
from calexnet.registry import Part
from calexnet.scores import Entropy, Gap

CLASSES, WIDTH, COUNT = 3, 5, 60


def features(seed: int, branches: int = 3) -> Features:
    """Vectors that tell the class, with noise; the backbone is right nine times in ten."""
    random = np.random.default_rng(seed)
    truth = np.arange(COUNT) % CLASSES
    clean = np.eye(CLASSES, WIDTH)[truth]
    reduced = tuple(
        (clean + random.normal(0, 0.25, clean.shape)).astype(np.float32) for _ in range(branches)
    )
    logits = 3 * np.eye(CLASSES)[np.where(random.random(COUNT) < 0.9, truth, 0)]
    return Features(reduced, logits.astype(np.float32), truth.astype(np.int64))


def task(**changes: object) -> Task:
    values = {
        "attach": ("a", "b", "c"),
        "train": features(0),
        "calibration": features(1),
        "rule": rules.build(Part("cpm", {"min_support": 3})),
        "setting": 0.1,
        "optimisation": Optimisation(epochs=20, lr=0.1),
        "costs": np.array([0.3, 0.5, 0.8, 1.0]),
    }
    return Task(**{**values, **changes})  # type: ignore[arg-type]


def heads(seed: int = 0) -> list[LinearHead]:
    torch.manual_seed(seed)
    return [LinearHead((WIDTH,), CLASSES) for _ in range(3)]


def trained(method: methods.base.Method, given: Task | None = None) -> tuple[Branch, ...]:
    branches = method.branches(heads(), None)
    method.train(branches, given or task())
    return branches


def weights(branches: Sequence[Branch]) -> list[Tensor]:
    return [p.detach().clone() for branch in branches for p in branch.parameters()]


def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("temperature", [1.0, 2.0, 4.0])
def test_distillation_worked_by_hand(temperature: float) -> None:
    """Teacher odds e^(2/T) : 1, student even: T^2 (sum q log q + log 2)."""
    q = 1 / (1 + math.exp(-2 / temperature))
    expected = temperature**2 * (q * math.log(q) + (1 - q) * math.log(1 - q) + math.log(2))

    loss = losses.distillation(torch.zeros(1, 2), torch.tensor([[2.0, 0.0]]), temperature)

    assert pytest.approx([expected], rel=1e-5) == loss.tolist()


def test_cross_entropy_worked_by_hand() -> None:
    logits = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]])

    found = losses.cross_entropy(logits, torch.tensor([0, 1])).tolist()

    assert pytest.approx([math.log(4 / 3), math.log(2)]) == found


def test_a_mixed_loss_is_the_share_of_each() -> None:
    train = features(0)
    logits, rows = torch.randn(4, CLASSES), np.arange(4)

    followed = CalexNet(temperature=2.0)._losses(logits, rows, train)
    told = CalexNet(target="labels")._losses(logits, rows, train)
    mixed = CalexNet(temperature=2.0, label_share=0.25)._losses(logits, rows, train)

    torch.testing.assert_close(0.75 * followed + 0.25 * told, mixed)


def test_the_argmax_target_is_what_the_backbone_answers() -> None:
    train = features(0)
    logits, rows = torch.randn(COUNT, CLASSES), np.arange(COUNT)

    found = CalexNet(target="argmax")._losses(logits, rows, train)

    answered = torch.from_numpy(train.logits.argmax(1))
    torch.testing.assert_close(losses.cross_entropy(logits, answered), found)


def test_survival_and_effective_samples_worked_by_hand() -> None:
    threshold = np.array([0.5, np.inf], dtype=np.float32)
    labels = np.array([0, 0, 0, 1], dtype=np.int32)
    scores = np.array([0.5, 0.7, 0.3, 0.99], dtype=np.float32)

    staying = survival(labels, scores, threshold, softness=0.1)

    even = 1 / (1 + math.exp(2.0))
    np.testing.assert_allclose(staying, [0.5, even, 1 - even, 1.0], rtol=1e-5)
    assert pytest.approx(16 / 10) == effective_samples(np.array([1, 3], np.float32))
    assert [0.5, 1.5] == normalised(np.array([1, 3], np.float32)).tolist()


@pytest.mark.parametrize("weights_as", ["loss", "sampling"])
def test_later_branches_weigh_those_that_stay(weights_as: str) -> None:
    method = CalexNet(weights_as=weights_as)  # type: ignore[arg-type]
    branches = method.branches(heads(), None)

    outcome = method.train(branches, task())

    first, *later = outcome.effective_samples
    assert COUNT == first
    assert all(worth is not None and worth < COUNT - 0.5 for worth in later)


def test_without_soft_weights_all_count_alike() -> None:
    method = CalexNet(soft_weights=False)

    outcome = method.train(method.branches(heads(), None), task())

    assert (COUNT,) * 3 == outcome.effective_samples


@pytest.mark.parametrize("name", [n for n in methods.METHODS if n != "trained"])
def test_every_method_learns_and_repeats_itself(name: str) -> None:
    method, given = methods.build(Part(name)), task()
    once, again = (trained(method, given) for _ in range(2))
    other = trained(method, task(optimisation=Optimisation(epochs=20, lr=0.1, seed=1)))

    assert same(weights(once), weights(again))
    assert not same(weights(once), weights(other))
    if name != "pteenet":  # its branches may leave the answer to the backbone
        table = exit_table(once, given.calibration)
        assert ((table.labels[:-1] == given.calibration.truth).mean(1) > 0.6).all()


@pytest.mark.parametrize("name", ["calexnet", "reference", "pteenet"])
def test_labels_of_the_training_part_reach_nothing_where_the_backbone_teaches(name: str) -> None:
    train = features(0)
    shuffled = Features(train.reduced, train.logits, train.truth[::-1].copy())

    once, again = (
        trained(methods.build(Part(name)), task(train=part)) for part in (train, shuffled)
    )

    assert same(weights(once), weights(again))


def test_the_reference_and_the_softmax_are_the_recipe_with_parts_taken_out() -> None:
    for name, switches in (("reference", {"target": "argmax"}), ("softmax", {"target": "labels"})):
        plain = trained(CalexNet(soft_weights=False, **switches))  # type: ignore[arg-type]
        assert same(weights(plain), weights(trained(methods.build(Part(name)))))


def answer(p: float, h: float) -> Answer:
    """Of one sample and two classes: probability `p` of the first, confidence `h`."""
    logits = torch.tensor([[math.log(p), math.log(1 - p)]])
    return Answer(logits, torch.tensor([h]), None)


def test_the_folded_loss_worked_by_hand() -> None:
    """Two branches; the backbone is sure (0.9) of the first class, which is the target."""
    said = [answer(0.6, 0.5), answer(0.8, 0.25)]
    backbone = torch.tensor([[math.log(0.9), math.log(0.1)]])
    costs = torch.tensor([0.2, 0.6, 1.0])

    first, mean = (
        float(PteeNet(cost_weight=2.0, suffixes=s).folded_loss(said, backbone, costs))
        for s in (False, True)
    )

    y2, c2 = 0.25 * 0.8 + 0.75 * 0.9, 0.25 * 0.6 + 0.75 * 1.0
    y1, c1 = 0.5 * 0.6 + 0.5 * y2, 0.5 * 0.2 + 0.5 * c2
    terms = [-math.log(y) + 2.0 * c for y, c in ((0.9, 1.0), (y2, c2), (y1, c1))]
    assert pytest.approx(terms[2], rel=1e-5) == first
    assert pytest.approx(sum(terms) / 3, rel=1e-5) == mean


def test_pteenet_scores_by_a_confidence_that_begins_undecided() -> None:
    branches = PteeNet().branches(heads(), None)

    said = answers(branches, [torch.randn(4, WIDTH)] * 3)

    for one in said:
        assert one.score is not None
        assert [0.5] * 4 == one.score.tolist()
    with pytest.raises(InputError, match=r"^PTEENet has a score of its own: got Gap\. Leave out"):
        PteeNet().branches(heads(), Gap())


def test_an_ensemble_worked_by_hand() -> None:
    ensemble = Ensemble(2, 2)
    with torch.no_grad():
        ensemble.weights.copy_(torch.tensor([0.0, math.log(2.0)]))
        ensemble.bias.copy_(torch.tensor([0.0, 1.0]))
    members = torch.tensor([[[-1.0, -2.0]], [[-3.0, -0.5]]])

    # (1 x -1 + 2 x -3) / 2 and (1 x -2 + 2 x -0.5) / 2 + 1.
    torch.testing.assert_close(ensemble(members), torch.tensor([[-3.5, -0.5]]))


def test_a_linked_branch_reads_its_predecessor_without_a_gradient() -> None:
    branches = ZeroTimeWaste().branches(heads(), None)
    assert [(), (0,), (0, 1)] == [branch.reads for branch in branches]
    second = branches[1]
    assert isinstance(second, LinkedBranch)
    assert second.link is not None
    reduced, before = torch.randn(2, WIDTH), torch.randn(2, CLASSES, requires_grad=True)

    state = second.answer(reduced, [before]).state

    assert state is not None
    normal = (before - before.mean(1, keepdim=True)) / (
        before.var(1, unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    own = second.head.classify(reduced) + normal @ second.link.weight.T
    torch.testing.assert_close(torch.log_softmax(own, 1), state)
    state[:, 0].sum().backward()  # type: ignore[no-untyped-call]
    assert before.grad is None


def test_boostnet_adds_up_without_a_gradient() -> None:
    branches = BoostNet(ratio=0.5).branches(heads(), None)
    assert [(), (0,), (1,)] == [branch.reads for branch in branches]
    reduced = [torch.randn(2, WIDTH) for _ in branches]

    said = answers(branches, reduced)

    own = [branch.head.classify(r) for branch, r in zip(branches, reduced, strict=True)]
    torch.testing.assert_close(said[2].logits, own[2] + 0.5 * own[1] + 0.25 * own[0])
    said[2].logits.sum().backward()  # type: ignore[no-untyped-call]
    assert branches[0].head.linear.weight.grad is None
    assert branches[2].head.linear.weight.grad is not None


def test_scores_worked_by_hand() -> None:
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [1 / 3, 1 / 3, 1 / 3]]))

    assert pytest.approx([0.5, 0.0], abs=1e-6) == Gap()(logits).tolist()
    surprise = -(0.7 * math.log(0.7) + 0.2 * math.log(0.2) + 0.1 * math.log(0.1))
    expected = [1 - surprise / math.log(3), 0.0]
    assert pytest.approx(expected, abs=1e-6) == Entropy()(logits).tolist()


def test_asked_in_batches_branches_answer_as_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    branches, part = trained(ZeroTimeWaste()), features(2)
    at_once = ask(branches, part.reduced)
    monkeypatch.setattr("calexnet.methods.base._BATCH", 7)

    labels, scores = ask(branches, part.reduced)

    assert np.array_equal(at_once[0], labels)
    np.testing.assert_allclose(at_once[1], scores, rtol=1e-5)
    table = exit_table(branches, part)
    assert isinstance(table, ExitTable)
    assert np.array_equal(part.logits.argmax(1), table.labels[-1])


@pytest.mark.parametrize(
    ("plan", "count", "expected"),
    [
        (Optimisation(), 900, (40, 14)),
        (Optimisation(), 45_000, (15, 175)),
        (Optimisation(epochs=3, batch=10), 45, (3, 4)),
        (Optimisation(), 5, (40, 1)),
    ],
)
def test_small_sets_get_more_passes_and_smaller_steps(
    plan: Optimisation, count: int, expected: tuple[int, int]
) -> None:
    assert expected == plan.length(count)


def test_a_loss_of_nan_stops_and_names_the_step() -> None:
    head, calls = LinearHead((WIDTH,), CLASSES), 0

    def loss_of(rows: np.ndarray) -> Tensor:
        nonlocal calls
        calls += 1
        loss: Tensor = head(torch.ones(1, WIDTH)).sum() * (math.nan if calls == 6 else 1.0)
        return loss

    with pytest.raises(TrainingError, match=r"the loss is not finite \(mine, epoch 2, step 2\)"):
        fit([head], loss_of, 40, Optimisation(epochs=3, batch=10), "mine")


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part("calexnet", {"temperature": 0.0}), r"the recipe's temperature cannot be used: got 0"),
        (Part("calexnet", {"label_share": 2.0}), r"the recipe's label_share cannot be used: got 2"),
        (Part("calexnet", {"target": "truth"}), r"the method calexnet cannot be set up so: got"),
        (Part("pteenet", {"cost_weight": -1.0}), r"PTEENet cannot be trained so: got cost_weight"),
        (Part("ztw", {"ensemble_epochs": 0}), r"ZTW's ensemble cannot be trained so: got 0 epochs"),
        (Part("boostnet", {"ratio": 2.0}), r"BoostNet's ratio cannot be used: got 2"),
        (Part("ours"), r"unknown method: got 'ours'; expected one of calexnet, reference, softmax"),
    ],
    ids=repr,
)
def test_a_method_that_cannot_be_had_is_told(part: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        methods.build(part)
