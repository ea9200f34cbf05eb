"""Threshold rules by name. A rule turns recorded answers and one setting into thresholds.

Plain numpy, so that a board can calibrate again on its own engines' scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from calexnet import registry
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
