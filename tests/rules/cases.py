"""Recorded answers for the tests of rules: drawn at random, or one branch's by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.gating import ExitTable
from calexnet.rules.base import Rule, reached

CLASSES = 3

#: Neighbouring floats have no middle.
NEIGHBOURS = [float(np.nextafter(np.float32(0.5), np.float32(side))) for side in (0, 1)]
#: A coarse grid makes ties common.
KNOWN_SCORES = st.sampled_from([0.1, 0.2, 0.4, 0.5, 0.7, 0.9, *NEIGHBOURS]) | st.floats(
    0, 1, width=32
)
SCORES = KNOWN_SCORES | st.just(np.nan)


@dataclass(frozen=True)
class Case:
    """Answers of a cascade, and the rule and setting to find its thresholds with."""

    exits: ExitTable
    truth: NDArray[np.int64]
    setting: float
    rule: Rule

    def thresholds(self) -> NDArray[np.float32]:
        return self.rule.calibrate(self.exits, self.truth, CLASSES, self.setting)

    def branch(self, branch: int, survivors: NDArray[np.intp]) -> NDArray[np.float32]:
        seen = reached(self.exits, self.truth, branch, survivors, CLASSES)
        return self.rule.thresholds(seen, self.setting)


@st.composite
def cases(
    draw: st.DrawFn,
    rules: st.SearchStrategy[Rule],
    settings: st.SearchStrategy[float],
    *,
    branches: tuple[int, int] = (1, 3),
    scores: st.SearchStrategy[float] = SCORES,
) -> Case:
    shape = draw(st.integers(*branches)) + 1, draw(st.integers(0, 24))
    classes = st.integers(0, CLASSES - 1)
    truth = draw(hnp.arrays(np.int64, shape[1], elements=classes))
    answers = draw(hnp.arrays(np.int32, shape, elements=classes))
    # Every second answer or so is right, as after some training.
    right = draw(hnp.arrays(np.bool_, shape))
    labels = np.where(right, truth, answers).astype(np.int32)
    found = draw(hnp.arrays(np.float32, shape, elements=scores))
    return Case(ExitTable(labels, found), truth, draw(settings), draw(rules))


def table(labels: Sequence[Sequence[int]], scores: Sequence[Sequence[float]]) -> ExitTable:
    """Return the answers of all exits; the backbone's own score is always 1."""
    last = [1.0] * len(labels[0])
    return ExitTable(np.array(labels, np.int32), np.array([*scores, last], np.float32))


def f32(*values: float) -> NDArray[np.float32]:
    return np.array(values, dtype=np.float32)
