"""The choice of settings: the least mean loss on calibration samples, blind to the test part."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet.analysis import curves, select, summary
from calexnet.analysis.select import Row
from calexnet.registry import Part
from calexnet.sweep.results import Answered, Answers
from tests.support.sample_cells import SKILL, answers, axes, save


def analysed(folder: Path, **changes: Any) -> tuple[Row, ...]:
    known = {"savings": (0.3, 0.5), "rule": (None,), **changes}
    rows: tuple[Row, ...] = (
        select.analyse(argparse.Namespace(allow=(), results=[folder], **known)).tables[0].records
    )
    return rows


def row(method: str, recipe: str, mean: float | None, head: str = "prototype") -> Row:
    return Row(method, head, recipe, 1, (0.3,), (mean,), mean)


def test_the_least_mean_of_each_method_and_head_is_chosen() -> None:
    rows = [
        row("ztw", "far", None),
        row("ztw", "a", 0.02),
        row("ztw", "b", 0.01),
        row("ztw", "c", 0.03, head="native"),
        row("calexnet", "d", -0.01),
        row("softmax", "e", None),
    ]

    found = select.choose(rows)

    assert ["d", "e", "c", "b", "a", "far"] == [one.recipe for one in found]
    assert ["d", "c", "b"] == [one.recipe for one in found if one.chosen]


def test_losses_are_the_cross_fitted_curves_mean_over_seeds(tmp_path: Path) -> None:
    cells = [save(axes("ztw", s), answers(s), tmp_path, rule=Part("threshold")) for s in (0, 1)]
    each = [summary.losses_at(curves.crossfitted(cell), (0.3, 0.5)) for cell in cells]

    (found,) = analysed(tmp_path)

    assert pytest.approx(np.mean(each, axis=0)) == found.losses
    assert pytest.approx(np.mean(each)) == found.mean
    assert (2, True) == (found.seeds, found.chosen)


def test_rules_compete_like_settings(tmp_path: Path) -> None:
    save(axes("ztw"), answers(), tmp_path, rule=Part("threshold"))

    found = analysed(tmp_path, rule=(None, Part("price")))

    assert {"ztw", "ztw, rule price"} == {one.recipe for one in found}
    assert 1 == sum(one.chosen for one in found)
    means = [one.mean for one in found if one.mean is not None]
    assert sorted(means) == means
    assert 2 == len(means)


def test_test_labels_have_no_part_in_the_choice(tmp_path: Path) -> None:
    for number, skill in enumerate((0.45, 0.6)):
        known = answers(0, (skill, *SKILL[1:]))
        wrong = (known.test.truth + 1) % 3
        for folder, truth in (("a", known.test.truth), ("b", wrong)):
            test = Answered(known.test.table, truth, known.test.positions)
            where = axes("boostnet", options={"ratio": str(number)})
            save(where, Answers(known.calibration, test), tmp_path / folder, rule=Part("threshold"))

    assert analysed(tmp_path / "a") == analysed(tmp_path / "b")
    assert "boostnet, ratio 1" == analysed(tmp_path / "a")[0].recipe


def test_what_is_not_reached_is_shown_as_such(tmp_path: Path) -> None:
    save(axes("ztw"), answers(), tmp_path, rule=Part("threshold"))

    table = select.analyse(
        argparse.Namespace(allow=(), results=[tmp_path], savings=(0.3, 0.9), rule=(None,))
    ).tables[0]

    (line,) = table.rows
    assert ("n/a", "n/a", "", "1") == line[2:]
    titles = [column.title for column in table.columns]
    assert ["Lost at 30 % saved", "Lost at 90 % saved"] == titles[1:3]
