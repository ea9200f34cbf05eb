"""What the setting of an operating point says: never of a margin where there is none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calexnet.bench.page import html
from calexnet.bench.report.times import OperatingPointRow
from calexnet.bench.words.conclusions import headline
from calexnet.bench.words.strictness import looser, meaning
from calexnet.bench.words.tables import times as time_tables
from calexnet.registry import Part
from calexnet.rules import RULES, build
from tests.support.sample_report import AMORTISATION, CROSSOVER, POINTS, sample_report

KINDS = sorted(build(Part(name)).kind for name in RULES)


def points(kind: str, setting: float = 0.5) -> list[OperatingPointRow]:
    return [replace(row, name=f"{kind}-{setting:g}", setting=setting) for row in POINTS]


@pytest.mark.parametrize("kind", KINDS)
def test_every_rule_has_words_of_its_own(kind: str) -> None:
    (row, *_) = points(kind)
    assert meaning([row]).startswith(f"Its {kind}")
    assert kind in looser(row)


def test_a_rule_of_ones_own_is_not_taken_for_another() -> None:
    (row, *_) = points("bar")
    assert meaning([row]) == "Its name says by which rule and setting it was found."
    assert looser(row) == "another operating point"


@pytest.mark.parametrize("kind", [*KINDS, "bar"])
def test_no_report_speaks_of_another_rules_setting(kind: str) -> None:
    rows = tuple(replace(row, name=f"{kind}-{row.setting:g}") for row in POINTS)
    report = sample_report(operating_points=rows, alternatives=())

    notes = " ".join(time_tables.operating_points(report).notes)

    others = {"margin", "threshold", "slack", "budget", "price"} - {kind}
    assert not any(f"Its {other}" in notes for other in others)
    assert meaning(rows) in notes
    assert meaning(rows) in html.render(report)


def test_the_hint_about_an_unused_exit_is_the_rules_own() -> None:
    idle = replace(POINTS[1], name="threshold-0.9", setting=0.9, exit_rates=(0.0, 0.6, 0.4))
    said = headline(AMORTISATION, CROSSOVER, (idle,), sample_report().accuracy, 0.02)[-1]
    assert "try a lower threshold, or train" in said
