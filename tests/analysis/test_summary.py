"""Losses at given savings and verdicts: by hand, and whether 95 % intervals hold what they say."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet.analysis import curves, summary
from calexnet.analysis.recipes import recipes
from calexnet.analysis.summary import Losses, Row
from calexnet.bench.report.interval import Interval
from calexnet.errors import InputError
from calexnet.gating import ExitTable
from calexnet.registry import Part
from calexnet.sweep import results
from tests.support.sample_cells import MACS, SKILL, answered, answers, axes, result, save

#: As a cell records it: costs of each exit, its own head alone, as shares of the backbone's.
PRICE = Part("price", {"costs": (MACS.to_exit(own_head_only=True) / MACS.plain).tolist()})


def analysed(folder: Path, **changes: Any) -> dict[tuple[str, float], Row]:
    known = {"savings": (0.3, 0.9), "against": "calexnet", "seed": 0, "rule": (None,), **changes}
    table = summary.analyse(argparse.Namespace(allow=(), results=[folder], **known)).tables[0]
    return {(row.recipe, row.saved): row for row in table.records}


def fill(folder: Path, method: str, worse: float = 0.0, seeds: int = 2) -> None:
    """Write cells whose branches are that much worse, all judged on the same images."""
    for seed in range(seeds):
        skill = (SKILL[0] - worse - 0.01 * seed, SKILL[1] - worse, SKILL[2])
        save(axes(method, seed), answers(0, skill), folder, rule=Part("threshold"))


def test_a_method_against_itself_is_level_with_no_difference_at_all(tmp_path: Path) -> None:
    fill(tmp_path, "calexnet")
    fill(tmp_path, "ztw")

    rows = analysed(tmp_path)

    ours, theirs = rows["calexnet", 0.3], rows["ztw", 0.3]
    assert (ours.loss, ours.loss_low, ours.loss_high) == (
        theirs.loss,
        theirs.loss_low,
        theirs.loss_high,
    )
    assert (0.0, 0.0, 0.0) == (theirs.difference, theirs.difference_low, theirs.difference_high)
    assert ("level", "calexnet", 2) == (theirs.verdict, theirs.against, theirs.shared_seeds)
    assert (None, None) == (ours.against, ours.verdict)


@pytest.mark.parametrize(("worse", "verdict"), [(0.3, "worse"), (-0.25, "better")])
def test_a_clear_difference_has_a_verdict(tmp_path: Path, worse: float, verdict: str) -> None:
    fill(tmp_path, "calexnet")
    fill(tmp_path, "ztw", worse)

    row = analysed(tmp_path)["ztw", 0.3]

    assert verdict == row.verdict
    assert row.difference is not None
    assert row.difference_low is not None
    assert row.difference_high is not None
    assert row.difference_low <= row.difference <= row.difference_high
    assert (row.difference > 0) == (verdict == "better")


def test_a_curve_that_does_not_reach_is_not_available(tmp_path: Path) -> None:
    fill(tmp_path, "calexnet")
    fill(tmp_path, "ztw")

    row = analysed(tmp_path)["ztw", 0.9]  # leaving at exit 1 saves 490 of 600

    assert (None, None, None, None) == (row.loss, row.loss_low, row.loss_high, row.loss_own_head)
    assert (None, None) == (row.difference, row.verdict)


def test_the_comparison_is_over_the_seeds_that_both_have(tmp_path: Path) -> None:
    fill(tmp_path, "calexnet", seeds=3)
    fill(tmp_path, "ztw", seeds=1)

    row = analysed(tmp_path)["ztw", 0.3]

    assert (1, 1) == (row.seeds, row.shared_seeds)
    assert 0.0 == row.difference


def test_the_opponent_is_the_one_most_alike(tmp_path: Path) -> None:
    for head in ("linear", "prototype"):
        for method in ("calexnet", "ztw"):
            save(axes(method, head=head), answers(), tmp_path)

    rows = analysed(tmp_path)

    assert "calexnet, linear head" == rows["ztw, linear head", 0.3].against
    assert "calexnet, prototype head" == rows["ztw, prototype head", 0.3].against
    assert None is rows["calexnet, linear head", 0.3].against


def test_the_opponent_may_be_one_recipe_by_its_label(tmp_path: Path) -> None:
    for value in ("1", "2"):
        save(axes(options={"temperature": value}), answers(), tmp_path)
    save(axes("ztw"), answers(), tmp_path)

    rows = analysed(tmp_path, against="calexnet, temperature 2")

    for recipe in ("ztw", "calexnet, temperature 1"):
        assert "calexnet, temperature 2" == rows[recipe, 0.3].against
    assert None is rows["calexnet, temperature 2", 0.3].against


def test_parts_of_its_label_tell_the_opponent(tmp_path: Path) -> None:
    for head in ("linear", "prototype"):
        for method in ("calexnet", "ztw"):
            save(axes(method, head=head), answers(), tmp_path)

    rows = analysed(tmp_path, rule=(None, Part("price")), against="rule price, calexnet")

    for head in ("linear", "prototype"):
        ours = f"calexnet, {head} head, rule price"
        assert ours == rows[f"ztw, {head} head", 0.3].against
        assert ours == rows[f"calexnet, {head} head", 0.3].against
        assert None is rows[ours, 0.3].against


def test_other_rules_stand_beside_a_cells_own(tmp_path: Path) -> None:
    fill(tmp_path, "calexnet", seeds=1)
    fill(tmp_path, "ztw", seeds=1)

    rows = analysed(tmp_path, rule=(None, Part("price")), against="ztw, rule price")

    assert {"calexnet", "ztw", "calexnet, rule price", "ztw, rule price"} == {r for r, _ in rows}
    assert "ztw, rule price" == rows["calexnet", 0.3].against
    price = save(axes("ztw"), answers(0), tmp_path / "p", rule=PRICE)
    assert summary.losses_at(curves.curve(price), (0.3,))[0] == rows["ztw, rule price", 0.3].loss


def test_heads_are_counted_against_the_plain_backbone(tmp_path: Path) -> None:
    fill(tmp_path, "calexnet")

    assert (10 + 20) / 600 == analysed(tmp_path)["calexnet", 0.3].heads


def test_the_plain_backbone_is_counted_on_both_parts_and_together(tmp_path: Path) -> None:
    table = ExitTable(np.array([[0, 0, 0], [0, 1, 1]], np.int32), np.ones((2, 3), np.float32))
    calibration = results.Answered(
        table, np.array([0, 1, 0], np.int32), np.arange(3, dtype=np.int32)
    )
    test = calibration.select(np.array([1, 2]))

    found = summary.plain(results.Answers(calibration, test))

    assert [("calibration", 3, 2), ("test", 2, 1), ("both", 5, 3)] == [
        (one.part, one.images, one.right) for one in found
    ]
    assert 0.6 == found[2].accuracy


def test_an_opponent_that_is_not_there_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, "ztw")

    with pytest.raises(InputError, match=r"no cells of calexnet to compare with: got ztw\. Name"):
        analysed(tmp_path)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.001, 0.2, "better"),
        (-0.2, -0.001, "worse"),
        (-0.1, 0.1, "level"),
        (0.0, 0.1, "level"),
        (-0.1, 0.0, "level"),
    ],
)
def test_a_verdict_needs_an_interval_without_zero(low: float, high: float, expected: str) -> None:
    assert expected == summary.verdict(Interval((low + high) / 2, low, high))


def test_a_comparison_worked_by_hand() -> None:
    recipe = recipes([results.Cell(Path(), result(axes(seed=s))) for s in (0, 1, 2)])[0]
    later = replace(recipe, cells=recipe.cells[1:])
    one = Losses(
        recipe,
        np.array([[0.05], [0.02], [0.04]]),
        np.zeros((3, 1)),
        np.tile([[0.05], [0.02], [0.04]], (100, 1, 1)),
    )
    other = Losses(
        later,
        np.array([[0.03], [0.03]]),
        np.zeros((2, 1)),
        np.tile([[0.03], [0.03]], (100, 1, 1)),
    )

    compared = summary.compare(one, other, 0, seed=0)

    # Seeds 1 and 2 are shared: one loses 0.02 and 0.04 where the other loses 0.03 twice.
    assert compared is not None
    found, shared = compared
    assert 2 == shared
    assert pytest.approx(0.0, abs=1e-12) == found.value
    assert found.low < -0.01
    assert found.high > 0.01


@pytest.mark.slow
def test_the_whole_way_from_answers_to_interval_holds_the_truth(tmp_path: Path) -> None:
    """Small test parts drawn from one large one: how often do intervals hold the latter's loss?"""
    large = answered(40_000, seed=9)
    calibration = answered(2_000, seed=8)
    curve_of = {"rule": Part("threshold")}
    whole = save(axes("ztw"), results.Answers(calibration, large), tmp_path / "w", **curve_of)
    truth = summary.losses_at(curves.curve(whole), (0.4,))[0]
    random = np.random.default_rng(0)
    held, runs = 0, 60
    for run in range(runs):
        rows = random.choice(len(large), 300, replace=False)
        part = results.Answered(large.table.select(rows), large.truth[rows], large.positions[rows])
        folder = tmp_path / str(run)
        save(axes("ztw"), results.Answers(calibration, part), folder, **curve_of)
        (found,) = summary.lost(recipes(results.read(folder)), (0.4,), seed=run, draws=300)
        ends = np.quantile(found.draws[:, 0, 0], (0.025, 0.975))
        held += ends[0] <= truth <= ends[1]

    assert 0.87 <= held / runs
