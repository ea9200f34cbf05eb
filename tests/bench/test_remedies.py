"""Every rule that a run can break has its own remedy."""

from __future__ import annotations

import inspect
import re

from calexnet.bench import validity
from calexnet.bench.remedies import broken, remedy
from calexnet.bench.validity_records import Breach


def test_every_rule_has_a_remedy_of_its_own() -> None:
    rules = set(re.findall(r'Breach\(\s*"([a-z ]+)"', inspect.getsource(validity)))

    assert len(rules) >= 6
    assert len({remedy(rule) for rule in rules} | {remedy("?")}) == len(rules) + 1


def test_an_unknown_rule_gets_advice_too() -> None:
    assert remedy("?") == "Run again on a machine with nothing else to do."


def test_a_rule_that_was_broken_often_is_told_once() -> None:
    many = [Breach("not settled", f"task {n} took +9 %", "within 5 %") for n in range(5)]

    (settling, hot) = broken([*many, Breach("throttling", "slowed down", "")])

    assert (
        settling.words
        == "task 0 took +9 %; task 1 took +9 %; and 3 more finds (allowed: within 5 %)."
    )
    assert (hot.words, hot.remedy) == ("slowed down.", remedy("throttling"))
