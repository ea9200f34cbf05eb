"""What the tests of methods train on: features of three classes, no network behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from calexnet.rules.cpm import CpmRule
from calexnet.training.branches import Branch
from calexnet.training.features import Features
from calexnet.training.heads.base import Head
from calexnet.training.heads.linear import LinearHead
from calexnet.training.methods.base import Method, Outcome, Task
from calexnet.training.spec import Optimisation
from tests.support.small_cascade import tensors

CLASSES = 3
#: How clearly each branch sees the class.
STRENGTHS = (2.0, 4.0, 5.0)
SHORT = Optimisation(epochs=3, batch=16, lr=0.1)
RULE = CpmRule(min_support=2)


def part(count: int, seed: int, branches: int = 2) -> Features:
    """Return features of three classes: the first branch sees them poorly, the next better."""
    random = np.random.default_rng(seed)
    truth = random.integers(0, CLASSES, count)
    clean = np.eye(CLASSES)[truth]
    reduced = tuple(
        (clean * strength + random.normal(0, 1, (count, CLASSES))).astype(np.float32)
        for strength in STRENGTHS[:branches]
    )
    logits = (clean * 6 + random.normal(0, 1, (count, CLASSES))).astype(np.float32)
    return Features(reduced, logits, truth)


def task(branches: int = 2, **changes: Any) -> Task:
    """Return a task of that many branches, with some of its fields changed."""
    fields: dict[str, Any] = {
        "attach": ("early", "late", "last")[:branches],
        "train": part(120, 0, branches),
        "calibration": part(80, 1, branches),
        "rule": RULE,
        "setting": 0.1,
        "optimisation": SHORT,
        "costs": np.array([0.2, 0.5, 0.7, 1.0])[-1 - branches :],
    }
    return Task(**{**fields, **changes})


@dataclass
class Trained:
    """What came of a training."""

    branches: tuple[Branch, ...]
    outcome: Outcome

    def weights(self, branch: int) -> dict[str, NDArray[Any]]:
        return tensors(self.branches[branch])


def fresh(method: Method, branches: int = 2, score: nn.Module | None = None) -> tuple[Branch, ...]:
    """Return untrained branches, the same at every call."""
    torch.manual_seed(5)
    heads = [LinearHead((CLASSES,), CLASSES) for _ in range(branches)]
    return tuple(branch.eval() for branch in method.branches(heads, score))


def fit(method: Method, given: Task | None = None) -> Trained:
    """Return the branches that `method` trains."""
    given = given or task()
    branches = fresh(method, len(given.attach))
    return Trained(branches, method.train(branches, given))


class Fixed(Head):
    """A head without weights: what it is given are its logits."""

    def __init__(self, classes: int = CLASSES) -> None:
        super().__init__((classes,), classes, width=classes)

    def reduce(self, features: Tensor) -> Tensor:
        return features

    def embed(self, reduced: Tensor) -> Tensor:
        return reduced

    def classify(self, reduced: Tensor) -> Tensor:
        return reduced


def fixed(count: int = 2) -> Sequence[Head]:
    """Return heads that answer what they are given."""
    return [Fixed() for _ in range(count)]
