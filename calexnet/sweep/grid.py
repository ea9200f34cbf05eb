"""From lists of methods, heads, margins, seeds and options to the specs of all cells. Needs torch.

Options are ``name=value`` switches of the method, ``rule=NAME``, or ``rule.name=value`` switches of
the threshold rule; before any of them, ``METHOD.`` limits it to one method.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from calexnet import methods, rules, schema
from calexnet.backbones import default_attach
from calexnet.cascade import CascadePlan
from calexnet.data.split import SplitRecord
from calexnet.recipe import plan_recipe
from calexnet.registry import Part
from calexnet.sweep.spec import Axes, CellSpec, Source

_RULE = "rule"


@dataclass(frozen=True)
class Grid:
    """What is varied; a cell is trained for every combination.

    Attributes:
        methods: Names.
        heads: Names, or ``native``.
        margins: While training, for rules that have one; none = the rule's default.
        seeds: Of the branches.
        options: Option -> its values, as text.
    """

    methods: tuple[str, ...]
    heads: tuple[str, ...] = ("prototype",)
    margins: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, method: str) -> Iterator[dict[str, str]]:
        """Yield every combination of the options that concern `method`."""
        mine: dict[str, tuple[str, ...]] = {}
        for name, values in self.options.items():
            limited = name.partition(".")[0] in self.methods
            if limited and name.partition(".")[0] != method:
                continue
            mine[name.removeprefix(f"{method}.") if limited else name] = values
        for chosen in product(*mine.values()):
            yield dict(zip(mine, chosen, strict=True))


def specs(
    grid: Grid, plan: CascadePlan, data: Source, split: SplitRecord, weights: Source
) -> tuple[CellSpec, ...]:
    """Return the specs of all cells, seed by seed, so that a stopped sweep compares all methods.

    Args:
        grid: What is varied.
        plan: What is not.
        data: The data set.
        split: Its division.
        weights: The trained backbone.

    Raises:
        InputError: A method, head, rule or option is unknown or refused.
    """
    found = {}
    for seed, method, head in product(grid.seeds, grid.methods, grid.heads):
        for options in grid.of(method):
            for axes in _with_margins(Axes(method, head, None, seed, options), grid, plan):
                recipe = schema.encode(_planned(axes, plan))
                found[axes.name] = CellSpec(axes, data, split, weights, recipe)
    return tuple(found.values())


#: Kinds of settings that say what a cascade may lose, and that training may depend on.
_MARGINS = ("margin", "slack", "price")


def _with_margins(axes: Axes, grid: Grid, plan: CascadePlan) -> tuple[Axes, ...]:
    """Return `axes` at each margin of the grid, or alone if its rule has no margin."""
    rule = rules.build(_planned(axes, plan).recipe.rule)
    if not grid.margins or rule.kind not in _MARGINS:
        return (axes,)
    return tuple(replace(axes, margin=margin) for margin in grid.margins)


def _planned(axes: Axes, plan: CascadePlan) -> CascadePlan:
    """Return the plan of one cell, with nothing left open."""
    ours = {name: v for name, v in axes.options.items() if name.partition(".")[0] != _RULE}
    theirs = {n.removeprefix("rule."): v for n, v in axes.options.items() if n.startswith("rule.")}
    method = methods.build(Part(axes.method, _values(ours)))
    rule = Part(axes.options[_RULE]) if _RULE in axes.options else method.default_rule
    rule = Part(rule.name, {**rule.options, **_values(theirs)})
    recipe = plan_recipe(
        Part(axes.method, schema.encode(method)),
        head=axes.head,
        rule=Part(rule.name, schema.encode(rules.build(rule))),
        setting=axes.margin,
        settings=(),
        optimisation=replace(plan.recipe.optimisation, seed=axes.seed),
    )
    attach = plan.attach or default_attach(plan.backbone)
    return replace(plan, attach=tuple(attach), recipe=recipe)


def _values(options: Mapping[str, str]) -> dict[str, Any]:
    return {name: value_of(text) for name, text in options.items()}


def value_of(text: str) -> Any:
    """Return what an option's text means: a number, ``true``, ``false``, ``null``, or itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
