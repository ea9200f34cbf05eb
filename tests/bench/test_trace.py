"""A recorded trace of a cascade's calls, which have two humps by design: none is dropped.

``bimodal_trace.json`` holds ms of single calls, block by block, as calexnet recorded them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from calexnet.bench.model import validity
from calexnet.bench.model.blocks import Blocks, told_apart
from calexnet.bench.model.percentiles import Stratum, mixture, quantiles
from calexnet.bench.model.statistics import Floats
from calexnet.bench.report.validity import Conditions

EXITS = ("exit1", "exit2", "exit3")


@pytest.fixture(scope="module")
def document() -> dict[str, object]:
    found = json.loads(Path(__file__).with_name("bimodal_trace.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def trace(document: dict[str, object]) -> dict[str, list[Floats]]:
    """The calls of each task, block by block."""
    ms = document["ms"]
    assert isinstance(ms, dict)
    return {name: [np.array(calls) for calls in blocks] for name, blocks in ms.items()}


@pytest.fixture(scope="module")
def blocks(trace: dict[str, list[Floats]]) -> Blocks:
    return told_apart({n: np.array([c.mean() for c in calls]) for n, calls in trace.items()})


@pytest.fixture(scope="module")
def rates(document: dict[str, object]) -> list[float]:
    found = document["exit_rates"]
    assert isinstance(found, list)
    return found


def test_the_cascade_has_two_humps_and_its_exits_have_one(trace: dict[str, list[Floats]]) -> None:
    """Rules that clip what is far from the middle would cut the second hump off."""
    cascade = np.concatenate(trace["cascade"])
    first, last = (np.median(np.concatenate(trace[name])) for name in (EXITS[0], EXITS[-1]))

    assert 2 * first < last
    between = (first + last) / 2
    late = float((cascade > between).mean())
    assert 0.1 < late < 0.4
    quartiles = np.quantile(cascade, (0.25, 0.75))
    assert (cascade > quartiles[1] + 1.5 * np.ptp(quartiles)).mean() > 0.1, "outliers to some"
    for name in EXITS:
        calls = np.concatenate(trace[name])
        assert (np.abs(np.log(calls / np.median(calls))) < np.log(1.5)).mean() > 0.95


def test_no_call_is_dropped(
    trace: dict[str, list[Floats]], blocks: Blocks, rates: list[float]
) -> None:
    strata = [Stratum(rate, trace[name]) for rate, name in zip(rates, EXITS, strict=True)]

    found = mixture(strata, 500, blocks.pace)

    assert sum(len(calls) for name in EXITS for calls in trace[name]) == found.calls
    usual = [
        np.concatenate([ms / np.exp(slow) for ms, slow in zip(trace[n], blocks.pace, strict=True)])
        for n in EXITS
    ]
    by_hand = sum(rate * calls.mean() for rate, calls in zip(rates, usual, strict=True))
    assert pytest.approx(by_hand) == found.mean.value
    every = quantiles(trace["cascade"])
    cascade = np.concatenate(trace["cascade"])
    assert (cascade.min(), cascade.max()) == (every[0], every[-1])


def test_the_exits_recombined_are_the_cascade(
    trace: dict[str, list[Floats]], blocks: Blocks, rates: list[float]
) -> None:
    strata = [Stratum(rate, trace[name]) for rate, name in zip(rates, EXITS, strict=True)]
    ours = mixture(strata, 500, blocks.pace).mean
    whole = mixture([Stratum(1.0, trace["cascade"])], 500, blocks.pace).mean

    assert max(ours.low, whole.low) <= min(ours.high, whole.high)


def test_each_exit_is_steady_though_the_cascade_jumps(blocks: Blocks) -> None:
    calm = Conditions(1, {}, {}, None, (), (), 0.0, 0.0)

    judged = validity.judge(calm, {1: blocks}, allowed=False)

    assert () == judged.breaches
    for name in EXITS:
        change, _ = blocks.settling(name)
        assert pytest.approx(1.0, abs=0.05) == change
