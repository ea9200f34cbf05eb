"""Static networks beside cascades: by hand, and the law that mixtures keep."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from calexnet.analysis import pareto, statics, summary
from calexnet.analysis.recipes import recipes
from calexnet.analysis.statics import best_mixtures
from calexnet.registry import Part
from calexnet.sweep import results
from tests.support.sample_cells import SKILL, answers, axes, save


def write(folder: Path) -> tuple[results.Cell, ...]:
    """Write two seeds of one recipe and return them."""
    for seed in (0, 1):
        skill = (SKILL[0] + 0.1 * seed, *SKILL[1:])
        save(axes("ztw", seed), answers(0, skill), folder, rule=Part("threshold"))
    return results.read(folder)


def test_a_cut_network_answers_and_costs_as_leaving_there_does(tmp_path: Path) -> None:
    cells = write(tmp_path)
    tests = [cell.answers.test for cell in cells]

    first, second = statics.statics(recipes(cells))

    # Stages of 100, 200 and 300 MACs, heads of 10 and 20.
    assert pytest.approx((1 - 110 / 600, 1 - 110 / 600)) == (first.saved, first.saved_own_head)
    assert pytest.approx((1 - 330 / 600, 1 - 320 / 600)) == (second.saved, second.saved_own_head)
    assert ("cut after layer1", 1, 2) == (first.network, first.cut, first.seeds)
    for number, one in enumerate((first, second)):
        rights = [float((test.table.labels[number] == test.truth).mean()) for test in tests]
        plains = [float((test.table.labels[-1] == test.truth).mean()) for test in tests]
        assert pytest.approx(np.mean(rights)) == one.accuracy
        assert pytest.approx(np.mean(plains) - np.mean(rights)) == one.loss
        assert one.loss_low < one.loss < one.loss_high


def test_mixtures_by_hand() -> None:
    # Halfway between 0.9 at nothing and 0.8 at 0.6 lies 0.85; the network at 0.3 is worse.
    found = best_mixtures([0.0, 0.3, 0.6], [0.9, 0.7, 0.8], [0.0, 0.3, 0.45, 0.6, 0.7])

    np.testing.assert_allclose([0.9, 0.85, 0.825, 0.8, np.nan], found)


shares = st.floats(0, 1, allow_nan=False)


@given(st.lists(st.tuples(shares, shares), min_size=2, max_size=6), st.floats(0, 1))
@example([(1.0, 0.0), (0.24033875213926487, 0.0)], 1.0)
def test_no_two_networks_mixed_do_better_and_each_alone_no_better(
    networks: list[tuple[float, float]], share: float
) -> None:
    saved, accuracy = (list(column) for column in zip(*networks, strict=True))
    (a, right_a), (b, right_b) = networks[:2]
    place = min(max(a + share * (b - a), min(a, b)), max(a, b))  # rounding may leave the line

    (best,) = best_mixtures(saved, accuracy, [place])

    expected = right_a + share * (right_b - right_a) if a != b else max(right_a, right_b)
    assert best >= expected - 1e-6 or abs(a - b) < 1e-6
    assert best <= max(accuracy) + 1e-9


def test_pareto_and_summary_have_them_beside_the_cascades(tmp_path: Path) -> None:
    cells = write(tmp_path)
    known = {"allow": (), "results": [tmp_path], "rule": (None,)}
    drawn = pareto.analyse(argparse.Namespace(**known))
    told = summary.analyse(argparse.Namespace(**known, savings=(0.3,), against="ztw", seed=0))

    networks = statics.statics(recipes(cells))
    assert networks == drawn.tables[1].records == told.tables[1].records
    (row,) = [row for row in drawn.tables[0].records if row.saved == 0.4]
    mixed = [statics.mixtures(cell, [0.4])[0] for cell in cells]
    assert pytest.approx(np.mean(mixed)) == row.mixture
