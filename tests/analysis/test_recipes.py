"""Recipes: seeds put together, labels that say what varies and no more."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.analysis.recipes import recipes
from calexnet.analysis.strokes import strokes
from calexnet.sweep.results import Cell
from calexnet.sweep.spec import Axes
from tests.support.sample_cells import axes, result, spec


def cells(*where: Axes) -> list[Cell]:
    return [Cell(Path(), result(one)) for one in where]


def test_seeds_of_one_recipe_come_together_in_order() -> None:
    found = recipes(cells(axes(seed=2), axes("ztw"), axes(seed=0)))

    assert [("calexnet", (0, 2)), ("ztw", (0,))] == [(one.label, one.seeds) for one in found]


@pytest.mark.parametrize(
    ("where", "labels"),
    [
        ([axes(), axes("ztw")], ["calexnet", "ztw"]),
        (
            [axes(head="linear"), axes("ztw", head="native")],
            ["calexnet, linear head", "ztw, native head"],
        ),
        ([axes(), axes(margin=0.05)], ["calexnet, margin 0", "calexnet, margin 0.05"]),
        (
            [axes(options={"a": "1", "b": "2"}), axes(options={"a": "3", "b": "2"}), axes("ztw")],
            ["calexnet, a 1, b 2", "calexnet, a 3, b 2", "ztw"],
        ),
        (
            [axes(options={"a": "1", "b": "2"}), axes(options={"a": "3", "b": "2"})],
            ["calexnet, a 1", "calexnet, a 3"],
        ),
    ],
)
def test_a_label_says_what_varies(where: list[Axes], labels: list[str]) -> None:
    found = recipes(cells(*where))
    assert labels == [one.label for one in found]
    assert all("head" not in one.short for one in found)


@pytest.mark.parametrize(
    ("method", "own_rate", "labels"),
    [
        ("ztw", {}, ["ztw, lr 0.01", "ztw, lr 0.03"]),
        # A rate of the method's own takes the place of the sweep's, so these are seeds of one.
        ("pteenet", {"lr": 0.001}, ["pteenet"]),
    ],
)
def test_a_label_says_what_a_sweep_set_for_all_its_cells(
    method: str, own_rate: dict[str, float], labels: list[str]
) -> None:
    found = []
    for rate in (0.01, 0.03):
        recipe = {
            "optimisation": {"lr": rate, "epochs": None},
            "method": {"name": method, "options": own_rate},
        }
        told = spec(axes(method), plan={"backbone": "resnet8", "recipe": recipe})
        found.append(Cell(Path(), result(axes(method), spec=told)))

    assert labels == [one.label for one in recipes(found)]


def test_recipes_are_drawn_apart_in_colour_dash_and_mark() -> None:
    where = [axes(m) for m in ("calexnet", "ztw", "softmax", "pteenet", "boostnet", "reference")]
    found = strokes(recipes(cells(*where, *(axes(margin=0.1 * i) for i in range(1, 5)))))

    assert 10 == len({stroke["color"] for stroke in found})
    assert 10 == len({str(stroke["linestyle"]) for stroke in found})
    assert 10 == len({stroke["marker"] for stroke in found})
    assert found[0]["color"] == strokes(recipes(cells(axes())))[0]["color"]
