"""From lists of methods, heads, margins, seeds and options to the specs of all cells. Needs torch.

Options are ``name=value`` switches of the method, ``score=NAME``, ``rule=NAME``, or
``rule.name=value`` switches of the threshold rule; before any of them, ``METHOD.`` limits it to one
method.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

from calexnet import rules
from calexnet.data.split import SplitRecord
from calexnet.errors import InputError
from calexnet.files import schema
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part, option_value
from calexnet.rules.base import Rule
from calexnet.sweep.spec import Axes, CellSpec, Source, own_parts
from calexnet.training import methods, scores
from calexnet.training.backbones import default_attach
from calexnet.training.cascade import CascadePlan
from calexnet.training.recipe import plan_recipe

_RULE, _SCORE = "rule", "score"


@dataclass(frozen=True)
class Grid:
    """What is varied; a cell is trained for every combination.

    Attributes:
        methods: Names.
        heads: Names, or ``native``.
        margins: While training, for rules whose setting is one; none = the rule's default.
        seeds: Of the branches.
        options: Option -> its values, as text.
        exits: Of method ``trained``; not varied.
    """

    methods: tuple[str, ...]
    heads: tuple[str, ...] = ("prototype",)
    margins: tuple[float, ...] = ()
    seeds: tuple[int, ...] = (0,)
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    exits: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.exits and methods.TRAINED not in self.methods:
            raise InputError(
                "exits are for a method that is not in this sweep",
                got=f"--exits {','.join(self.exits)}, --methods {','.join(self.methods)}",
                expected=f"{methods.TRAINED} among the methods",
            )

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
    grid: Grid,
    plan: CascadePlan,
    data: Source,
    split: SplitRecord,
    weights: Source,
    allow: Allowed = BUILT_IN_ONLY,
) -> tuple[CellSpec, ...]:
    """Return the specs of all cells, seed by seed, so that a stopped sweep compares all methods.

    Combinations that come to the same plan are one cell, under the first one's name.

    Args:
        grid: What is varied.
        plan: What is not.
        data: The data set.
        split: Its division.
        weights: The trained backbone.
        allow: Whose own parts may be imported.

    Raises:
        InputError: A method, head, rule or option is unknown or refused.
    """
    found: dict[str, CellSpec] = {}
    for seed, method, head in product(grid.seeds, grid.methods, grid.heads):
        for options in grid.of(method):
            where = methods.NATIVE if method == methods.TRAINED else head
            for axes in _with_margins(Axes(method, where, None, seed, options), grid, plan, allow):
                planned = schema.encode(_planned(axes, grid, plan, allow))
                code = own_parts(planned, allow)
                spec = CellSpec(axes, data, split, weights, planned, code)
                found.setdefault(schema.fingerprint(planned), spec)
    if grid.margins and not any(_rule(spec, allow).is_margin for spec in found.values()):
        raise InputError(
            "no threshold rule of this sweep has a margin to vary",
            got=", ".join(sorted({spec.plan["recipe"]["rule"]["name"] for spec in found.values()})),
            expected="a rule with is_margin",
            fix="Leave out --margins, or add for example --option rule=cpm",
        )
    return tuple(found.values())


def _rule(spec: CellSpec, allow: Allowed) -> Rule:
    return rules.build(schema.decode(CascadePlan, spec.plan).recipe.rule, allow)


def _with_margins(axes: Axes, grid: Grid, plan: CascadePlan, allow: Allowed) -> tuple[Axes, ...]:
    """Return `axes` at each margin of the grid, or alone if its training is the same at all."""
    recipe = _planned(axes, grid, plan, allow).recipe
    varied = rules.build(recipe.rule, allow).is_margin
    if not (grid.margins and varied and methods.build(recipe.method, allow).sees_setting):
        return (axes,)
    return tuple(replace(axes, margin=margin) for margin in grid.margins)


def _planned(axes: Axes, grid: Grid, plan: CascadePlan, allow: Allowed) -> CascadePlan:
    """Return the plan of one cell, with nothing left open."""
    not_ours = (_RULE, _SCORE)
    ours = {name: v for name, v in axes.options.items() if name.partition(".")[0] not in not_ours}
    theirs = {n.removeprefix("rule."): v for n, v in axes.options.items() if n.startswith("rule.")}
    method = methods.build(Part(axes.method, _values(ours)), allow)
    rule = Part(axes.options[_RULE]) if _RULE in axes.options else method.default_rule
    rule = Part(rule.name, {**rule.options, **_values(theirs)})
    score = axes.options.get(_SCORE, scores.SOFTMAX)
    scores.build(score, allow)  # refuses an unknown one before any cell is trained
    recipe = plan_recipe(
        Part(axes.method, schema.encode(method)),
        head=axes.head,
        exits=grid.exits if axes.method == methods.TRAINED else (),
        score=score,
        rule=Part(rule.name, schema.encode(rules.build(rule, allow))),
        setting=axes.margin,
        settings=(),
        optimisation=replace(plan.recipe.optimisation, seed=axes.seed),
        allow=allow,
    )
    attach = plan.attach or default_attach(plan.backbone)
    return replace(plan, attach=tuple(attach), recipe=recipe)


def _values(options: Mapping[str, str]) -> dict[str, Any]:
    return {name: option_value(text) for name, text in options.items()}
