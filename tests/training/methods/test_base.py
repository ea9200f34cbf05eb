"""What methods share: starting weights, answers batch by batch, and their names."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from calexnet.errors import InputError
from calexnet.registry import Allowed, Part
from calexnet.training import methods
from calexnet.training.branches import answers
from calexnet.training.features import Features
from calexnet.training.heads.linear import LinearHead
from calexnet.training.methods.base import Method, ask, exit_table, in_batches, start
from calexnet.training.methods.boostnet import BoostNet
from calexnet.training.methods.calexnet import CalexNet
from calexnet.training.methods.ztw import ZeroTimeWaste
from calexnet.training.scores import Gap
from tests.support.small_cascade import is_same, tensors
from tests.training.methods.tasks import CLASSES, fixed, fresh, part, task


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_name_stands_for_a_method_with_a_head_and_a_rule_of_its_own(name: str) -> None:
    from calexnet import rules
    from calexnet.training import heads

    method = methods.build(Part(name))

    assert methods.METHODS[name].endswith(f":{type(method).__name__}")
    assert method.native_head in (*heads.HEADS, "trained")
    assert rules.build(method.default_rule)


def test_options_set_the_switches() -> None:
    method = methods.build(Part("calexnet", {"temperature": 2, "target": "labels"}))

    assert CalexNet(temperature=2.0, target="labels") == method


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (Part("branchynet"), r"^unknown method: got 'branchynet'; expected one of calexnet, refer"),
        (
            Part("softmax", {"temperature": 2}),
            r"^the method softmax cannot be set up so: got softmax: expected no field 'temperature'"
            r".*; expected options among none$",
        ),
        (
            Part("calexnet.rules.cpm:CpmRule"),
            r"^calexnet\.rules\.cpm:CpmRule is no method: got <class .*>; expected a subclass of "
            r"calexnet\.training\.methods\.base\.Method$",
        ),
    ],
)
def test_what_cannot_be_built_is_told(part: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        methods.build(part, Allowed(("calexnet",)))


def test_a_method_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ownmethods.py").write_text(
        "from calexnet.training.methods.softmax import Softmax\nclass Mine(Softmax):\n    pass\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])

    assert "Mine" == type(methods.build(Part("ownmethods:Mine"), Allowed(("ownmethods",)))).__name__


def test_heads_start_from_the_same_few_training_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Tensor] = []
    monkeypatch.setattr(LinearHead, "initialise", lambda _, reduced: seen.append(reduced))
    given = task()

    start(fresh(CalexNet()), given)

    assert [64, 64] == [len(reduced) for reduced in seen]
    rows = [
        [int(np.flatnonzero((array == row.numpy()).all(1))[0]) for row in reduced]
        for array, reduced in zip(given.train.reduced, seen, strict=True)
    ]
    assert rows[0] == rows[1] == sorted(set(rows[0]))


@pytest.mark.parametrize("method", [CalexNet(), ZeroTimeWaste(), BoostNet()])
@pytest.mark.parametrize("score", [None, Gap()])
def test_asking_in_batches_is_asking_all_at_once(method: Method, score: Gap | None) -> None:
    """1,100 samples take three batches."""
    branches, given = fresh(method, 3, score), part(1100, 3, 3)

    labels, scores = ask(branches, given.reduced)

    with torch.inference_mode():
        said = answers(branches, [torch.from_numpy(array) for array in given.reduced])
    assert ((3, 1100), "int32", "float32") == (labels.shape, labels.dtype.name, scores.dtype.name)
    for k, answer in enumerate(said):
        expected_labels, expected_scores = answer.labels_and_scores()
        assert expected_labels.tolist() == labels[k].tolist()
        np.testing.assert_allclose(scores[k], expected_scores.numpy(), rtol=1e-5)


def test_batches_come_in_order_and_miss_nobody() -> None:
    given = part(1100, 3)

    batches = list(in_batches(given.reduced))

    assert [512, 512, 76] == [len(batch[0]) for batch in batches]
    for k, array in enumerate(given.reduced):
        assert np.array_equal(array, torch.cat([batch[k] for batch in batches]).numpy())


def test_answers_are_the_largest_softmax_and_its_class() -> None:
    logits = np.log(np.array([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]], np.float32))

    labels, scores = ask(CalexNet().branches(fixed(1), None), [np.repeat(logits, 600, 0)])

    assert [1] * 600 + [0] * 600 == labels[0].tolist()
    np.testing.assert_allclose(scores[0], np.repeat([0.5, 0.9], 600), rtol=1e-6)


def test_the_last_row_of_the_table_is_the_backbones_own_answer() -> None:
    """Whatever the method: neither ensembles nor sums reach it."""
    logits = np.array([[0.0, math.log(3), 0.0], [math.log(2), 0.0, 0.0]], np.float32)
    given = Features((logits, logits), logits, np.zeros(2, np.int64))

    for method in (CalexNet(), ZeroTimeWaste(), BoostNet()):
        found = exit_table(method.branches(fixed(), None), given)

        assert ((3, 2), (3, 2)) == (found.labels.shape, found.scores.shape)
        assert ("int32", "float32") == (found.labels.dtype.name, found.scores.dtype.name)
        assert [1, 0] == found.labels[-1].tolist()
        np.testing.assert_allclose(found.scores[-1], [3 / 5, 2 / 4], rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in methods.METHODS if name != "trained"])
def test_the_same_seed_trains_the_same_branches(name: str) -> None:
    from tests.training.methods.tasks import fit

    method = methods.build(Part(name))

    first, again = fit(method), fit(method)

    assert first.outcome == again.outcome
    assert all(is_same(first.weights(k), again.weights(k)) for k in (0, 1))
    assert not is_same(first.weights(0), tensors(fresh(method)[0]))
    assert not any(m.training for branch in first.branches for m in branch.modules())
    assert (2, 2) == (len(first.outcome.losses), len(first.outcome.effective_samples))
    assert CLASSES == first.branches[0].classes
