"""Survivor shift, worked by hand."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.analysis.study import shift
from tests.support.sample_cells import answers, axes, save


def test_a_divergence_worked_by_hand() -> None:
    everyone = np.array([0.5, 0.25, 0.25])

    assert 0.0 == shift.divergence(everyone, everyone)
    # 0.5 ln 2 + 0.5 ln 1 + 0
    found = shift.divergence(np.array([0.5, 0.5, 0.0]), everyone)
    assert pytest.approx(0.5 * math.log(1) + 0.5 * math.log(2)) == found


@pytest.mark.parametrize(
    ("shares", "expected"),
    [
        ([0.25, 0.25, 0.25, 0.25], 0.0),
        ([1.0, 0.0, 0.0, 0.0], 0.75),
        # |0.5 - 0.25| four times and |0.5 - 0| twice ...: 2 (0.25 + 0.25 + 0) / (2 * 3)
        ([0.5, 0.25, 0.25], 1 / 6),
    ],
)
def test_ginis_coefficient_worked_by_hand(shares: list[float], expected: float) -> None:
    assert pytest.approx(expected) == shift.gini(np.array(shares))


MIXES = st.lists(st.integers(0, 20), min_size=3, max_size=3).filter(lambda c: sum(c) > 0)


@given(MIXES, MIXES)
def test_no_mix_diverges_less_than_the_same_one(survivors: list[int], gone: list[int]) -> None:
    mine = np.array(survivors) / sum(survivors)
    everyone = (np.array(survivors) + gone) / (sum(survivors) + sum(gone))

    assert -1e-12 <= shift.divergence(mine, everyone) < math.inf
    assert -1e-12 <= shift.gini(mine) <= 2 / 3 + 1e-12


def test_a_class_mix_counts_classes_that_are_not_there() -> None:
    assert [0.5, 0.0, 0.5, 0.0] == shift.class_mix(np.array([0, 2], np.int32), 4).tolist()
    assert [0.0, 0.0] == shift.class_mix(np.array([], np.int32), 2).tolist()


def test_everybody_reaches_the_first_exit_and_weights_come_from_training(tmp_path: Path) -> None:
    for seed in (0, 1):
        save(axes(seed=seed), answers(seed), tmp_path)

    artefact = shift.analyse(argparse.Namespace(allow=(), results=[tmp_path], saving=0.4))

    first, second, last = artefact.tables[0].records
    assert (1.0, 0.0) == (first.reached, first.kl)
    assert first.reached > second.reached >= last.reached
    # 300 and 150 samples' worth, of 300 to train on.
    assert [(300.0, 1.0), (150.0, 0.5), (None, None)] == [
        (row.effective_samples, row.effective_share) for row in (first, second, last)
    ]
    assert pytest.approx(0.4, abs=0.1) == first.saved
