"""Frontiers: mean and band over seeds, both FLOPs conventions, every setting in one file."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest

from calexnet.analysis import curves, pareto
from calexnet.analysis.recipes import recipes
from calexnet.registry import Part
from calexnet.sweep import results
from tests.support.sample_cells import MACS, SKILL, answers, axes, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two seeds of one recipe."""
    for seed in (0, 1):
        skill = (SKILL[0] + 0.1 * seed, *SKILL[1:])
        save(axes("ztw", seed), answers(0, skill), tmp_path, rule=Part("threshold"))
    return tmp_path


def test_accuracy_at_a_saving_is_the_mean_over_seeds_between_the_lowest_and_highest(
    folder: Path,
) -> None:
    found = [curves.curve(cell) for cell in results.read(folder)]
    expected = [curves.at_savings(one.saved().mean(1), one.accuracy, [0.4])[0] for one in found]

    rows = (
        pareto.analyse(argparse.Namespace(allow=(), results=[folder], rule=(None,)))
        .tables[0]
        .records
    )

    (row,) = [row for row in rows if row.saved == 0.4]
    assert 2 == row.seeds
    assert pytest.approx(np.mean(expected)) == row.accuracy
    assert pytest.approx((min(expected), max(expected))) == (row.lowest, row.highest)
    own = [
        curves.at_savings(one.saved(own_head_only=True).mean(1), one.accuracy, [0.4])[0]
        for one in found
    ]
    assert pytest.approx(np.mean(own)) == row.accuracy_own_head


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ({"ztw": 1}, "Lines: one seed of the branches each."),
        ({"ztw": 3}, "Lines: mean over 3 seeds of the branches; bands: lowest to highest seed."),
        ({"ztw": 3, "softmax": 1}, "Lines: mean over 1 or 3 seeds of the branches; bands: "),
    ],
)
def test_the_caption_says_how_many_seeds(tmp_path: Path, seeds: dict[str, int], said: str) -> None:
    for method, count in seeds.items():
        for seed in range(count):
            save(axes(method, seed), answers(), tmp_path, rule=Part("threshold"))

    found = pareto.analyse(argparse.Namespace(allow=(), results=[tmp_path], rule=(None,)))

    assert said in next(iter(found.figures))


def test_what_a_seed_does_not_reach_is_not_available(folder: Path) -> None:
    # Leaving at exit 1 costs 110 of 600: nothing saves more than 490 / 600.
    found = pareto.frontier(recipes(results.read(folder))[0])

    reach = 1 - MACS.to_exit()[0] / MACS.plain
    places = np.round(np.arange(0.0, 0.9001, 0.01), 2)
    there = np.isnan(found.all_heads)[:, 10:]  # both curves begin below a tenth
    np.testing.assert_array_equal(there, np.tile(places[10:] > reach, (2, 1)))


def test_every_setting_of_every_cell_is_a_line_of_the_tidy_file(folder: Path) -> None:
    table = pareto.settings(results.read(folder))

    points = table.records
    grids = [len(curves.curve(cell).settings) for cell in results.read(folder)]
    assert sum(grids) == len(points)
    assert {0, 1} == {point.seed for point in points}
    for point in points:
        assert pytest.approx(1.0) == sum(point.exit_rates)
        macs = MACS.expected(point.exit_rates)
        assert pytest.approx(1 - macs / MACS.plain) == point.saved
        own = MACS.expected(point.exit_rates, own_head_only=True)
        assert pytest.approx(1 - own / MACS.plain) == point.saved_own_head
