"""Rules by name: the built-in ones, one's own, and what is told when there is none."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import rules
from calexnet.errors import InputError
from calexnet.registry import Allowed, Part
from calexnet.rules.base import Rule
from calexnet.rules.cpm import CpmRule
from calexnet.rules.price import PriceRule
from tests.rules.cases import table

OWNERS = Allowed(("ownrules", "nowhere", "calexnet"))

OWN = """
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from calexnet.rules.base import Rule


@dataclass(frozen=True)
class Half(Rule):
    kind: ClassVar[str] = "half"
    default: ClassVar[float] = 1.0
    settings: ClassVar[tuple[float, ...]] = (1.0,)
    grid: ClassVar[tuple[float, ...]] = (0.0, 1.0)

    factor: float = 0.5

    def _find(self, reached, setting):
        return np.full(reached.classes, self.factor * setting, np.float32)


class Bare:
    pass


def made(): ...
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module ``ownrules`` in the working folder."""
    (tmp_path / "ownrules.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delitem(sys.modules, "ownrules", raising=False)


@pytest.mark.parametrize("name", rules.RULES)
def test_every_name_stands_for_a_rule(name: str) -> None:
    rule = rules.build(Part(name))

    assert isinstance(rule, Rule)
    assert rules.RULES[name].endswith(f":{type(rule).__name__}")


def test_options_set_the_switches() -> None:
    cpm = rules.build(Part("cpm", {"min_support": 3, "margin_form": "additive"}))
    price = rules.build(Part("price", {"costs": [1, 2.5]}))

    assert CpmRule(min_support=3, margin_form="additive") == cpm
    assert PriceRule(costs=(1.0, 2.5)) == price


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (
            Part("conformal"),
            r"^unknown threshold rule: got 'conformal'; expected one of cpm, paired, price, "
            r"threshold, budget, or your own as package\.module:name$",
        ),
        (
            Part("cpm", {"support": 3}),
            r"^the threshold rule cpm cannot be set up so: got cpm: expected no field 'support', "
            r"got \{'support': 3\}; expected options among margin_form, anchor, population, ",
        ),
        (
            Part("cpm", {"crossing": "last"}),
            r"^the threshold rule cpm cannot be set up so: got cpm\.crossing: expected one of "
            r"'lowest', 'first', got 'last'; expected options among",
        ),
        (Part("threshold", {"t": 1}), r"expected options among none$"),
        (Part("cpm", {"min_support": 0}), r"^min_support cannot be used: got 0;"),
        (
            Part("nowhere.rules:Mine"),
            r"^cannot find the threshold rule nowhere\.rules:Mine: got No module named 'nowhere'; "
            r"expected package\.module:name, importable from here\. Check the name, or run from",
        ),
        (Part("ownrules:Quarter"), r"^cannot find the threshold rule ownrules:Quarter: got "),
    ],
)
def test_what_cannot_be_built_is_told(own: None, part: Part, message: str) -> None:
    with pytest.raises(InputError, match=message):
        rules.build(part, OWNERS)


def test_a_rule_of_ones_own(own: None) -> None:
    exits = table([[0, 1], [0, 1]], [[0.9, 0.1]])

    rule: Any = rules.build(Part("ownrules:Half", {"factor": 0.25}), OWNERS)

    assert "half" == rule.kind
    found = rule.calibrate(exits, np.array([0, 1]), 2, 2.0)
    assert np.array_equal(np.full((1, 2), 0.5, np.float32), found)


@pytest.mark.parametrize("name", ["ownrules:Bare", "ownrules:made", "calexnet.gating:ExitTable"])
def test_something_else_is_no_rule(own: None, name: str) -> None:
    with pytest.raises(InputError, match=rf"^{name} is no threshold rule: got <.*; expected a "):
        rules.build(Part(name), OWNERS)
