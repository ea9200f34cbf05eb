"""Every rule is broken by what it is there for, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calexnet.bench.model.blocks import Blocks, told_apart
from calexnet.bench.model.validity import (
    DRIFT_LIMIT,
    EFFECTIVE_LIMIT,
    FOREIGN_LIMIT,
    SETTLING_LIMIT,
    STEAL_LIMIT,
    judge,
)
from calexnet.bench.report.validity import CLAIMS, Breach, Claim, Conditions, Span, Validity
from tests.bench import noise
from tests.support.sample_report import ABSOLUTE

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


def judged(
    conditions: Conditions = CALM, blocks: Blocks | None = None, deciding: tuple[str, ...] = ()
) -> Validity:
    return judge(conditions, {1: blocks or steady()}, deciding=deciding, allowed=False)


def test_a_calm_machine_breaks_no_rule() -> None:
    found = judged()

    assert (True, ()) == (found.valid, found.breaches)
    assert CALM is found.conditions
    assert {"1"} == set(found.drift) == set(found.swing) == set(found.effective_blocks)
    assert all(found.stands(claim) for claim in CLAIMS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"slowed_down": ("too hot",)}, Breach("throttling", None, None, ABSOLUTE, "too hot")),
        ({"foreign": ("a 7",)}, Breach("foreign process", None, None, ABSOLUTE, "a 7")),
        ({"foreign_share": 0.11}, Breach("foreign load", 0.11, 0.1, ABSOLUTE)),
        ({"steal_share": 0.03}, Breach("stolen time", 0.03, 0.02, ABSOLUTE)),
        (
            {"clocks_mhz": {"gpu": Span(600, 1200)}},
            Breach("clocks", 0.5, 0.1, ABSOLUTE, "gpu"),
        ),
        ({"quota_periods": 3}, Breach("quota", 3, 0, ABSOLUTE)),
        ({"emulated": "x86"}, Breach("emulated processor", None, None, CLAIMS, "x86")),
    ],
)
def test_each_disturbance_is_caught_with_what_it_voids(
    changes: dict[str, Any], expected: Breach
) -> None:
    assert (expected,) == judged(replace(CALM, **changes)).breaches


@pytest.mark.parametrize(
    "changes",
    [
        {"foreign_share": FOREIGN_LIMIT},
        {"steal_share": STEAL_LIMIT},
        {"clocks_mhz": {"gpu": Span(900.0, 1000.0)}},
        {"quota_cores": 1.0, "quota_periods": 0},
        {"quota_periods": None},
    ],
)
def test_what_lies_just_at_a_limit_is_allowed(changes: dict[str, Any]) -> None:
    assert judged(replace(CALM, **changes)).valid


def test_a_machine_that_swings_voids_times_and_no_ratio() -> None:
    found = judged(replace(CALM, foreign_share=0.5), steady(np.linspace(1.0, 1.5, 40)))

    assert {"foreign load", "drift", "unsteady pace"} == {b.rule for b in found.breaches}
    assert ("time", "percentile", "energy") == found.fallen
    assert found.counts("verdict")
    assert not found.counts("time")
    assert replace(found, allowed=True).counts("time")


def test_what_cannot_be_read_breaks_no_rule() -> None:
    unknown = replace(CALM, foreign_share=None, steal_share=None, clocks_mhz={}, hottest_c=None)

    assert judged(unknown).valid


@pytest.mark.parametrize("end", [1.25, 0.8])
def test_a_drift_is_caught(end: float) -> None:
    found = judged(blocks=steady(np.linspace(1.0, end, 40)))

    assert "drift" in [breach.rule for breach in found.breaches]
    drift = next(breach for breach in found.breaches if breach.rule == "drift")
    assert (1, DRIFT_LIMIT, ABSOLUTE) == (drift.threads, drift.limit, drift.voids)
    assert drift.value == found.drift["1"]
    assert (end > 1) == (drift.value > 1)


def test_a_small_drift_is_let_pass() -> None:
    assert "drift" not in [b.rule for b in judged(blocks=steady(np.linspace(1, 1.05, 40))).breaches]


def test_a_machine_that_changes_its_pace_too_slowly_is_caught() -> None:
    halves = np.repeat([1.0, 2.0, 1.0], [14, 13, 13])

    found = judged(blocks=steady(halves))

    assert ["unsteady pace"] == [breach.rule for breach in found.breaches]
    assert (found.effective_blocks["1"], 5) == (found.breaches[0].value, found.breaches[0].limit)


@pytest.mark.parametrize(("end", "rules"), [(1.1, []), (1.1001, ["drift"])])
def test_a_drift_of_just_the_limit_is_allowed(end: float, rules: list[str]) -> None:
    """Two tasks without noise; the first quarter at pace 1, the last at `end`."""
    slow = np.exp(np.repeat([0.0, np.log(end) - 1e-12], 20))
    found = judged(blocks=told_apart({"a": slow, "b": 2 * slow}))

    assert rules == [breach.rule for breach in found.breaches if breach.rule == "drift"]


def test_a_task_that_had_not_settled_is_caught_and_named() -> None:
    series = noise.run(dict.fromkeys("abcdef", 1.0), 40, 0.0, np.random.default_rng(1))
    task = "tflite fp32 cascade@1"
    series[task] = series.pop("b") * np.linspace(1.5, 1.0, 40)

    blocks = told_apart(series)

    (breach,) = judged(blocks=blocks).breaches

    change, _ = blocks.settling(task)
    voids: tuple[Claim, ...] = ("ratio", "time", "percentile")
    assert Breach("not settled", change, SETTLING_LIMIT, voids, task, 1) == breach
    assert change < 0.9
    (decides,) = judged(blocks=blocks, deciding=(task,)).breaches
    assert ("verdict", *voids) == decides.voids
    (other,) = judge(CALM, {2: blocks}, deciding=(task,), allowed=False).breaches
    assert voids == other.voids, "the verdict rests on one thread"


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


def test_a_pace_of_just_so_many_blocks_is_steady(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Blocks, "effective", lambda self: float(EFFECTIVE_LIMIT))
    assert judged().valid
    monkeypatch.setattr(Blocks, "effective", lambda self: EFFECTIVE_LIMIT - 0.01)
    assert ["unsteady pace"] == [breach.rule for breach in judged().breaches]


@pytest.mark.parametrize(
    ("settling", "settled"),
    [
        ((np.e, 0.2), True),  # a size of 1 is five errors, and no more
        ((np.e, 0.199), False),
        ((1 / np.e, 0.199), False),
        ((1 + SETTLING_LIMIT - 0.001, 0.0), True),
        ((1 + SETTLING_LIMIT + 0.001, 0.0), False),
    ],
)
def test_what_settles_within_the_limit_or_within_five_errors_is_settled(
    settling: tuple[float, float], settled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Blocks, "settling", lambda self, name: settling)

    found = {breach.rule for breach in judged().breaches}

    assert (set() if settled else {"not settled"}) == found
