"""What a breach says to a reader, and that each has its own remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest

from calexnet.bench.report.validity import CLAIMS, Breach, Rule
from calexnet.bench.words.remedies import allowed, broken, found, remedy, standing
from tests.support.sample_report import ABSOLUTE, UNSETTLED, VALIDITY

RULES: tuple[Rule, ...] = get_args(Rule)


def test_every_rule_has_words_and_a_remedy_of_its_own() -> None:
    breaches = [Breach(rule, 2.0, None, ABSOLUTE, "it", 1) for rule in RULES]

    assert len(RULES) == len({found(one) for one in breaches})
    assert len(RULES) == len({remedy(rule) for rule in RULES})


@pytest.mark.parametrize(
    ("breach", "words", "bound"),
    [
        (
            Breach("foreign load", 0.11, 0.1, ABSOLUTE),
            "other processes used 11.0 % of the cores' time",
            "at most 10.0 %",
        ),
        (
            Breach("clocks", 0.25, 0.1, ABSOLUTE, "gpu"),
            "the clock of gpu fell by 25.0 %",
            "within 10.0 %",
        ),
        (
            Breach("drift", 1.25, 0.1, ABSOLUTE, threads=2),
            "with 2 threads, the last quarter of the run took 25 % more time than the first for "
            "the same work",
            "within 10.0 %",
        ),
        (
            UNSETTLED,
            "plain on onnxruntime fp32, single images, with 1 thread: in the second half of the "
            "run 20 % more time than in the first",
            "within 10.0 %",
        ),
        (
            Breach("unsteady pace", 3.24, 5, ABSOLUTE, threads=1),
            "with 1 thread, the machine's pace changed so slowly that all rounds of measuring tell "
            "as much as 3.2 on a steady one",
            "at least 5",
        ),
        (
            Breach("quota", 7, 0, ABSOLUTE),
            "a processor quota held the process back 7 times",
            "none",
        ),
        (Breach("throttling", None, None, ABSOLUTE, "hot"), "the device was slowed down: hot", ""),
    ],
)
def test_a_breach_is_said_with_its_numbers(breach: Breach, words: str, bound: str) -> None:
    assert (words, bound) == (found(breach), allowed(breach))


def test_a_rule_that_was_broken_often_is_told_once() -> None:
    many = [Breach("clocks", 0.2, 0.1, ABSOLUTE, f"cpu{n}") for n in range(5)]

    (moved, hot) = broken([*many, Breach("throttling", None, None, ABSOLUTE, "heat")])

    assert (
        "the clock of cpu0 fell by 20.0 %; the clock of cpu1 fell by 20.0 %; and 3 more finds "
        "(allowed: within 10.0 %)." == moved.words
    )
    assert ("the device was slowed down: heat.", remedy("throttling")) == (hot.words, hot.remedy)
    assert "times in ms, percentiles and joules" == hot.voids


@pytest.mark.parametrize(
    ("breaches", "said"),
    [
        ((), ""),
        (
            (UNSETTLED,),
            "The verdict, ratios of times, times in ms and percentiles do not stand; joules do.",
        ),
        (
            (Breach("emulated processor", None, None, CLAIMS, "x86"),),
            "The verdict, ratios of times, times in ms, percentiles and joules do not stand.",
        ),
    ],
)
def test_what_stands_is_said_beside_what_does_not(breaches: tuple[Breach, ...], said: str) -> None:
    assert said == standing(replace(VALIDITY, breaches=breaches))
