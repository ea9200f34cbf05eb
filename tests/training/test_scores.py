"""Confidence scores by hand, and one's own by name."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from calexnet.errors import InputError
from calexnet.registry import Allowed
from calexnet.training import scores
from calexnet.training.scores import Entropy, Gap


def test_the_gap_between_the_two_largest_worked_by_hand() -> None:
    logits = torch.tensor([[0.2, 0.5, 0.3], [0.9, 0.05, 0.05], [0.4, 0.4, 0.2]]).log() - 2

    torch.testing.assert_close(Gap()(logits), torch.tensor([0.2, 0.85, 0.0]))


def test_the_entropy_worked_by_hand() -> None:
    """Four classes: alike; two alike and two out of question; one sure."""
    logits = torch.tensor([[0.0] * 4, [9.0, 9.0, -200.0, -200.0], [300.0, 0.0, 0.0, 0.0]])

    found = Entropy()(logits)

    torch.testing.assert_close(found, torch.tensor([0.0, 1 - math.log(2) / math.log(4), 1.0]))


@pytest.mark.parametrize("score", [Gap(), Entropy()])
@pytest.mark.parametrize("classes", [2, 7])
def test_scores_are_one_a_sample_from_0_to_1_and_rise_with_sureness(
    score: nn.Module, classes: int
) -> None:
    logits = torch.randn(50, classes, generator=torch.Generator().manual_seed(0))

    cold, warm = score(logits * 3), score(logits)

    assert (50,) == tuple(cold.shape)
    assert (warm >= -1e-6).all()
    assert (cold <= 1 + 1e-6).all()
    assert (cold >= warm - 1e-6).all()


@pytest.mark.parametrize(("name", "cls"), [("gap", Gap), ("entropy", Entropy)])
def test_a_score_by_name(name: str, cls: type[nn.Module]) -> None:
    assert isinstance(scores.build(name), cls)


def test_softmax_needs_no_module() -> None:
    assert scores.build("softmax") is None


def test_a_score_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ownscores.py").write_text(
        "from torch import nn\n\n\nclass Largest(nn.Module):\n"
        "    def forward(self, logits):\n        return logits.amax(1)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])

    score = scores.build("ownscores:Largest", Allowed(("ownscores",)))

    assert score is not None
    assert [3.0] == score(torch.tensor([[1.0, 3.0]])).tolist()


def test_an_unknown_score_lists_the_known_ones() -> None:
    with pytest.raises(
        InputError,
        match=r"^unknown score: got 'margin'; expected one of softmax, gap, entropy, or your own "
        r"as package\.module:name$",
    ):
        scores.build("margin")


@pytest.mark.parametrize("name", ["calexnet.training.scores:build", "calexnet.gating:ExitTable"])
def test_something_else_is_no_score(name: str) -> None:
    with pytest.raises(
        InputError, match=rf"^{name} is no score: got <.*>; expected a torch\.nn\.Module class$"
    ):
        scores.build(name, Allowed(("calexnet",)))
