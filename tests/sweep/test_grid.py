"""From lists to cells: which there are, in which order, and what each one's plan says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from calexnet.data.split import SplitRecord
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.files.storage import sha256
from calexnet.registry import Allowed
from calexnet.rules.threshold import ThresholdRule
from calexnet.sweep import grid
from calexnet.sweep.grid import Grid
from calexnet.sweep.spec import CellSpec, Source
from calexnet.training.cascade import CascadePlan
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import Optimisation

PLAN = CascadePlan("resnet8", recipe=plan_recipe(optimisation=Optimisation(epochs=3)))
SPLIT = SplitRecord("tints", 0, "train=all test=all calibration=all", {})
SOURCE = Source("tints.npz", "0" * 64)


def cells(**axes: Any) -> dict[str, CellSpec]:
    found = grid.specs(Grid(**axes), PLAN, SOURCE, SPLIT, SOURCE, Allowed((__name__,)))
    return {spec.axes.name: spec for spec in found}


def planned(spec: CellSpec) -> CascadePlan:
    return schema.decode(CascadePlan, spec.plan)


def test_every_combination_is_a_cell_seed_by_seed() -> None:
    found = cells(methods=("ztw", "softmax"), heads=("linear", "prototype"), seeds=(4, 5))

    assert [
        "method=ztw,head=linear,seed=4",
        "method=ztw,head=prototype,seed=4",
        "method=softmax,head=linear,seed=4",
        "method=softmax,head=prototype,seed=4",
        "method=ztw,head=linear,seed=5",
        "method=ztw,head=prototype,seed=5",
        "method=softmax,head=linear,seed=5",
        "method=softmax,head=prototype,seed=5",
    ] == list(found)
    recipe = planned(found["method=softmax,head=linear,seed=5"]).recipe
    assert ("softmax", "linear", 5, 3) == (
        recipe.method.name,
        recipe.head,
        recipe.optimisation.seed,
        recipe.optimisation.epochs,
    )


def test_margins_are_for_rules_that_have_one() -> None:
    options = {"rule": ("cpm",), "ztw.rule": ("threshold",)}

    found = cells(methods=("calexnet", "ztw"), margins=(0.0, 0.05), options=options)

    margins = [(spec.axes.method, spec.axes.margin) for spec in found.values()]
    assert [("calexnet", 0.0), ("calexnet", 0.05)] == [m for m in margins if m[0] == "calexnet"]
    with_margin = next(spec for spec in found.values() if spec.axes.margin == 0.05)
    assert 0.05 == planned(with_margin).recipe.setting


class Own(ThresholdRule):
    """One's own rule, with a kind that nobody here knows."""

    kind = "loss"
    is_margin = True


def test_ones_own_rule_says_whether_its_setting_is_a_margin() -> None:
    options = {"calexnet.rule": (f"{__name__}:Own",)}

    found = cells(methods=("calexnet", "ztw"), margins=(0.0, 0.05), options=options)

    margins = [(spec.axes.method, spec.axes.margin) for spec in found.values()]
    assert [("calexnet", 0.0), ("calexnet", 0.05), ("ztw", None)] == margins


def test_what_trains_alike_at_every_margin_is_trained_once() -> None:
    """Only soft weights look at the thresholds that the margin gives."""
    options = {"calexnet.soft_weights": ("true", "false")}

    found = cells(methods=("calexnet", "reference"), margins=(0.0, 0.05), options=options)

    assert [
        "method=calexnet,head=prototype,margin=0,seed=0,soft_weights=true",
        "method=calexnet,head=prototype,margin=0.05,seed=0,soft_weights=true",
        "method=calexnet,head=prototype,seed=0,soft_weights=false",
        "method=reference,head=prototype,seed=0",
    ] == list(found)


def test_combinations_of_the_same_plan_are_one_cell() -> None:
    options = {"calexnet.temperature": ("4", "2")}

    found = cells(methods=("calexnet", "ztw"), heads=("prototype", "native"), options=options)

    assert [
        "method=calexnet,head=prototype,seed=0,temperature=4",
        "method=calexnet,head=prototype,seed=0,temperature=2",
        "method=ztw,head=prototype,seed=0",
        "method=ztw,head=native,seed=0",
    ] == list(found)
    plans = [schema.fingerprint(spec.plan) for spec in found.values()]
    assert len(plans) == len(set(plans))


def test_margins_that_no_rule_has_are_refused() -> None:
    with pytest.raises(
        InputError,
        match=r"^no threshold rule of this sweep has a margin to vary: got budget, threshold; "
        r"expected a rule with is_margin\. Leave out --margins, or add .*rule=cpm\.$",
    ):
        cells(methods=("ztw", "boostnet"), margins=(0.0, 0.05))


def test_the_code_of_ones_own_parts_is_part_of_the_spec() -> None:
    own = f"{__name__}:Own"

    found = cells(methods=("calexnet",), options={"rule": ("cpm", own)})

    codes = [spec.code for spec in found.values()]
    assert [{}, {own: sha256(Path(__file__).read_bytes())}] == codes


def test_a_score_is_an_option() -> None:
    found = cells(methods=("softmax",), options={"score": ("softmax", "gap")})

    assert ["softmax", "gap"] == [planned(spec).recipe.score for spec in found.values()]
    assert "method=softmax,head=prototype,seed=0,score=gap" in found


def test_exits_are_the_only_heads_of_method_trained() -> None:
    found = cells(methods=("trained", "ztw"), heads=("linear", "prototype"), exits=("one", "two"))

    assert [
        "method=trained,head=native,seed=0",
        "method=ztw,head=linear,seed=0",
        "method=ztw,head=prototype,seed=0",
    ] == sorted(found)
    exits = {spec.axes.method: planned(spec).recipe.exits for spec in found.values()}
    assert {"trained": ("one", "two"), "ztw": ()} == exits


def test_an_option_may_be_for_one_method_alone() -> None:
    options = {"calexnet.temperature": ("2", "4"), "ztw.ensemble_epochs": ("1",)}

    found = cells(methods=("calexnet", "ztw"), options=options)

    assert [
        {"temperature": "2"},
        {"temperature": "4"},
        {"ensemble_epochs": "1"},
    ] == [spec.axes.options for spec in found.values()]
    temperatures = [
        planned(spec).recipe.method.options["temperature"]
        for spec in found.values()
        if spec.axes.method == "calexnet"
    ]
    assert [2.0, 4.0] == temperatures


def test_the_ablation_is_eight_cells() -> None:
    options = {
        "target": ("distillation", "argmax"),
        "soft_weights": ("true", "false"),
        "rule": ("cpm",),
        "rule.population": ("survivors", "all"),
    }

    found = [
        planned(spec).recipe for spec in cells(methods=("calexnet",), options=options).values()
    ]

    assert 8 == len(found)
    assert 8 == len(
        {
            (
                r.method.options["target"],
                r.method.options["soft_weights"],
                r.rule.options["population"],
            )
            for r in found
        }
    )


def test_every_default_is_spelled_out_so_that_another_default_is_another_cell() -> None:
    (spec,) = cells(methods=("calexnet",), options={"rule": ("cpm",)}).values()

    recipe = planned(spec).recipe
    assert {"temperature", "soft_weights", "softness"} <= set(recipe.method.options)
    assert {"population", "min_support", "anchor"} <= set(recipe.rule.options)
    assert ("layer1", "layer2") == planned(spec).attach


def test_a_method_that_is_asked_for_twice_is_trained_once() -> None:
    assert 1 == len(cells(methods=("ztw", "ztw"), heads=("linear", "linear"), seeds=(0, 0)))


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"methods": ("magic",)}, "unknown method: got 'magic'"),
        ({"methods": ("ztw",), "options": {"temperature": ("2",)}}, "the method ztw cannot be set"),
        ({"methods": ("ztw",), "options": {"rule": ("x",)}}, "unknown threshold rule: got 'x'"),
        ({"methods": ("ztw",), "options": {"score": ("x",)}}, "unknown score: got 'x'"),
        ({"methods": ("trained",)}, "got --method trained with 0 --exits"),
        (
            {"methods": ("ztw",), "exits": ("one", "two")},
            "got --exits one,two, --methods ztw; expected trained among the methods",
        ),
        (
            {"methods": ("calexnet",), "options": {"temperature": ("warm",)}},
            "calexnet.temperature: expected a float, got 'warm'",
        ),
    ],
)
def test_what_does_not_exist_is_refused_before_anything_is_trained(
    axes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        cells(**axes)
