"""Threshold rules by name. A rule turns recorded answers and one setting into thresholds.

Plain numpy, so that a board can calibrate again on its own engines' scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from calexnet import registry
from calexnet.files import schema
from calexnet.registry import BUILT_IN_ONLY, Allowed, Part

if TYPE_CHECKING:
    from calexnet.rules.base import Rule

#: name -> "module:Class"
RULES = {
    "cpm": "calexnet.rules.cpm:CpmRule",
    "paired": "calexnet.rules.paired:PairedRule",
    "price": "calexnet.rules.price:PriceRule",
    "threshold": "calexnet.rules.threshold:ThresholdRule",
    "budget": "calexnet.rules.budget:BudgetRule",
}


def build(part: Part, allow: Allowed = BUILT_IN_ONLY) -> Rule:
    """Return the rule that `part` names.

    Args:
        part: One of `RULES`, or one's own.
        allow: Whose own ones may be imported.

    Raises:
        InputError: Unknown name or option, or something that is no rule.
    """
    from calexnet.rules.base import Rule

    rule: Rule = registry.build(part, RULES, "threshold rule", Rule, allow)
    return rule


def with_costs(part: Part, costs: Iterable[float], allow: Allowed = BUILT_IN_ONLY) -> Part:
    """Return a rule that knows what a cascade's exits cost, if it has a field for that.

    Args:
        part: The rule; costs that it has already stay.
        costs: Up to each exit, as shares of the plain network.
        allow: See `build`.
    """
    known = schema.fields(type(build(part, allow)))
    if "costs" not in known or part.options.get("costs"):
        return part
    return Part(part.name, {**part.options, "costs": [float(cost) for cost in costs]})
