"""Every rule is broken by what it is there for, and by nothing else."""

# The expected value comes first in every comparison.
from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calexnet.bench.blocks import Blocks, told_apart
from calexnet.bench.validity import judge
from calexnet.bench.validity_records import Conditions, Span, Validity
from tests.bench import noise

CALM = Conditions(
    looks=9,
    clocks_mhz={"cpu0-3": Span(2300.0, 2400.0)},
    governors={"cpu0-3": "performance"},
    hottest_c=55.0,
    slowed_down=(),
    foreign=(),
    foreign_share=0.03,
    steal_share=0.0,
)


def steady(factor: np.ndarray | float = 1.0) -> Blocks:
    series = noise.run({"a": 1.0, "b": 2.0, "c": 3.0}, 40, 0.0, np.random.default_rng(0))
    return told_apart({name: ms * factor for name, ms in series.items()})


def judged(conditions: Conditions = CALM, blocks: Blocks | None = None) -> Validity:
    return judge(conditions, {1: blocks or steady()}, allowed=False)


def test_a_calm_machine_breaks_no_rule() -> None:
    found = judged()

    assert (True, ()) == (found.valid, found.breaches)
    assert CALM is found.conditions
    assert {"1"} == set(found.drift) == set(found.swing) == set(found.effective_blocks)


@pytest.mark.parametrize(
    ("changes", "rule", "words"),
    [
        ({"slowed_down": ("too hot",)}, "throttling", "the device was slowed down: too hot"),
        ({"foreign": ("python 7",)}, "foreign load", "other processes used the device: python 7"),
        ({"foreign_share": 0.11}, "foreign load", "other processes used 11.0 % of the cores' time"),
        ({"steal_share": 0.03}, "stolen time", "the host took away 3.0 % of the cores' time"),
        ({"clocks_mhz": {"gpu": Span(600, 900)}}, "clocks", "gpu moved: 600 to 900 MHz"),
    ],
)
def test_each_disturbance_is_caught(changes: dict[str, Any], rule: str, words: str) -> None:
    found = judged(replace(CALM, **changes))

    assert not found.valid
    assert [(rule, words)] == [(breach.rule, breach.found) for breach in found.breaches]


def test_what_cannot_be_read_breaks_no_rule() -> None:
    unknown = replace(CALM, foreign_share=None, steal_share=None, clocks_mhz={}, hottest_c=None)

    assert judged(unknown).valid


@pytest.mark.parametrize("end", [1.25, 0.8])
def test_a_drift_is_caught(end: float) -> None:
    found = judged(blocks=steady(np.linspace(1.0, end, 40)))

    assert "drift" in [breach.rule for breach in found.breaches]
    drift = next(breach for breach in found.breaches if breach.rule == "drift")
    assert drift.found.startswith("with 1 thread, the last quarter of the run took ")
    assert f"{'more' if end > 1 else 'less'} time than the first for the same work" in drift.found
    assert "within 10.0 %" == drift.limit


def test_a_small_drift_is_let_pass() -> None:
    assert "drift" not in [b.rule for b in judged(blocks=steady(np.linspace(1, 1.05, 40))).breaches]


def test_a_machine_that_changes_its_pace_too_slowly_is_caught() -> None:
    halves = np.repeat([1.0, 2.0, 1.0], [14, 13, 13])

    found = judged(blocks=steady(halves))

    assert ["unsteady pace"] == [breach.rule for breach in found.breaches]
    assert "40 rounds of measuring tell as much as" in found.breaches[0].found


def test_a_task_that_had_not_settled_is_caught_and_named() -> None:
    series = noise.run(dict.fromkeys("abcdef", 1.0), 40, 0.0, np.random.default_rng(1))
    task = "tflite fp32 cascade@1"
    series[task] = series.pop("b") * np.linspace(1.5, 1.0, 40)

    found = judged(blocks=told_apart(series))

    (breach,) = found.breaches
    assert "not settled" == breach.rule
    start = "the cascade on tflite fp32, single images, with 1 thread: in the second half of the "
    assert breach.found.startswith(start)
    assert breach.found.endswith(" % less time than in the first")


def test_noise_alone_is_not_taken_for_settling() -> None:
    rng = np.random.default_rng(2)
    names = [f"task {number}" for number in range(200)]
    series = {name: rng.lognormal(0.0, 0.2, 40) for name in names}

    assert () == judged(blocks=told_apart(series)).breaches


def test_a_bimodal_task_is_settled_and_keeps_every_call() -> None:
    """A cascade whose blocks are a mix of short and long ones."""
    rng = np.random.default_rng(3)
    series = noise.run(dict.fromkeys("abcdef", 1.0), 40, 0.0, rng)
    series["b"] = np.where(rng.random(40) < 0.75, 1.0, 4.0)

    assert judged(blocks=told_apart(series)).valid


def test_a_run_that_is_allowed_is_still_not_valid() -> None:
    broken = replace(CALM, foreign_share=0.5)

    found = judge(broken, {1: steady()}, allowed=True)

    assert (False, True) == (found.valid, found.allowed)
