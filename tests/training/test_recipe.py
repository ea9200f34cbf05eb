"""The recipe: what follows from the method, and what training all branches reports."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from calexnet import rules
from calexnet.calibration import operating_points
from calexnet.errors import InputError
from calexnet.gating import choose_exits
from calexnet.registry import Part
from calexnet.rules.cpm import CpmRule
from calexnet.training import methods
from calexnet.training.methods.base import ask, exit_table
from calexnet.training.methods.softmax import Softmax
from calexnet.training.recipe import plan_recipe, train_branches
from calexnet.training.spec import Optimisation, Recipe
from tests.training.methods.tasks import SHORT, fresh, task


def test_by_default_it_is_calexnets_own() -> None:
    found = plan_recipe()

    assert found == Recipe(
        method=Part("calexnet"),
        head="prototype",
        exits=(),
        score="softmax",
        rule=Part("cpm"),
        setting=0.0,
        settings=CpmRule.settings,
        optimisation=Optimisation(),
    )


@pytest.mark.parametrize("name", [name for name in methods.METHODS if name != "trained"])
def test_the_rest_follows_from_the_method(name: str) -> None:
    method = methods.build(Part(name))
    rule = rules.build(method.default_rule)

    found = plan_recipe(Part(name), head="native")

    assert (method.native_head, method.default_rule) == (found.head, found.rule)
    assert rule.default == found.setting
    assert {*rule.settings, rule.default} == set(found.settings)


def test_a_head_that_is_named_is_used_with_any_method() -> None:
    assert "prototype" == plan_recipe(Part("ztw")).head
    assert "linear" == plan_recipe(Part("ztw"), head="linear").head


def test_a_rule_that_is_given_gives_its_settings() -> None:
    found = plan_recipe(Part("ztw"), rule=Part("paired", {"pooling": 0.5}))

    assert Part("paired", {"pooling": 0.5}) == found.rule
    assert 0.01 == found.setting
    assert (0.005, 0.01, 0.02, 0.05, 0.1) == found.settings


def test_the_setting_is_always_among_the_settings_each_once_and_in_order() -> None:
    found = plan_recipe(setting=0.07, settings=(0.2, 0.0, 0.2))

    assert 0.07 == found.setting
    assert (0.0, 0.07, 0.2) == found.settings


def test_trained_exits_bring_their_own_heads() -> None:
    found = plan_recipe(Part("trained"), head="linear", exits=["a", "b"])

    assert ("trained", ("a", "b"), Part("cpm")) == (found.head, found.exits, found.rule)


@pytest.mark.parametrize(("name", "exits"), [("trained", []), ("calexnet", ["a"]), ("ztw", "ab")])
def test_exits_and_method_go_together(name: str, exits: Any) -> None:
    with pytest.raises(
        InputError,
        match=rf"^exits and method do not go together: got --method {name} with {len(exits)} "
        r"--exits; expected --method trained with --exits, or neither$",
    ):
        plan_recipe(Part(name), exits=exits)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"method": Part("mine")}, r"^unknown method: got 'mine'"),
        ({"method": Part("calexnet", {"heat": 4})}, r"^the method calexnet cannot be set up so"),
        ({"rule": Part("mine")}, r"^unknown threshold rule: got 'mine'"),
        ({"rule": Part("cpm", {"bar": 4})}, r"^the threshold rule cpm cannot be set up so"),
    ],
)
def test_names_and_switches_are_checked_before_anything_is_trained(
    given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        plan_recipe(**given)


@pytest.mark.parametrize("name", [name for name in methods.METHODS if name != "trained"])
def test_training_reports_who_reached_a_branch_and_who_left_there(name: str) -> None:
    rule = Part("cpm", {"min_support": 2})
    recipe = plan_recipe(Part(name), rule=rule, setting=0.1, optimisation=SHORT)
    given = task(rule=rules.build(rule), optimisation=SHORT)
    branches = fresh(methods.build(recipe.method))

    made = train_branches(branches, recipe, given)

    truth = given.calibration.truth
    table = given.rule.calibrate(made.exits, truth, 3, 0.1)
    left = np.bincount(choose_exits(made.exits, table), minlength=4)
    assert ("early", "late") == tuple(report.attach for report in made.reports)
    assert [80, 80 - left[1]] == [report.reached for report in made.reports]
    assert [left[1], left[2]] == [report.left for report in made.reports]
    accuracies = [(row == truth).mean() for row in made.exits.labels[:2]]
    assert accuracies == [report.calibration_accuracy for report in made.reports]
    # PTEENet's confidences hardly move in so few steps, and who is unsure stays.
    assert left[1] > 0 or name == "pteenet"
    expected = operating_points(made.exits, truth, recipe.settings, classes=3, rule=given.rule)
    assert expected == made.points


def test_the_table_holds_what_the_trained_branches_answer() -> None:
    given = task()
    branches = fresh(Softmax())

    made = train_branches(branches, plan_recipe(Part("softmax")), given)

    labels, scores = ask(branches, given.calibration.reduced)
    assert np.array_equal(labels, made.exits.labels[:2])
    assert np.array_equal(scores, made.exits.scores[:2])
    assert np.array_equal(exit_table(branches, given.calibration).scores, made.exits.scores)


def test_nothing_is_reported_where_nothing_is_trained() -> None:
    recipe = dataclasses.replace(plan_recipe(), method=Part("trained"))

    made = train_branches(fresh(Softmax()), recipe, task())

    assert [None, None] == [report.loss for report in made.reports]
    assert [None, None] == [report.effective_samples for report in made.reports]
