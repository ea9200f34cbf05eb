"""The mixture over exits: worked by hand, and against a simulated truth."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.model.blocks import told_apart
from calexnet.bench.model.percentiles import FLOORS, Latency, Stratum, mixture, quantiles
from tests.bench import noise

STEADY = np.zeros(4)


def constant(share: float, ms: float, calls: int = 500, blocks: int = 4) -> Stratum:
    return Stratum(share, [np.full(calls, ms)] * blocks)


def test_a_bimodal_latency_worked_by_hand() -> None:
    """92 % take 1 ms and 8 % take 10 ms: half and 90 % take 1, 95 and 99 % take 10."""
    found = mixture([constant(0.92, 1.0), constant(0.08, 10.0)], 100_000, STEADY)

    assert pytest.approx(0.92 + 0.8) == found.mean.value
    assert [1.0, 1.0, 10.0, 10.0] == [
        interval.value for interval in found.percentiles.values() if interval is not None
    ]
    assert 4000 == found.calls


def test_a_rare_exit_counts_by_its_share_and_not_by_how_often_it_was_timed() -> None:
    found = mixture([constant(0.999, 1.0, calls=10), constant(0.001, 1000.0)], 1000, STEADY)

    assert pytest.approx(0.999 + 1.0) == found.mean.value
    p90 = found.percentiles[90]
    assert p90 is None or p90.value == 1.0


def test_an_exit_that_nobody_takes_is_left_out() -> None:
    strata = [constant(1.0, 2.0), constant(0.0, 1e9)]

    assert mixture(strata, 100, STEADY) == mixture(strata[:1], 100, STEADY)


def test_no_call_is_dropped() -> None:
    calls = [np.array([1.0, 1.0, 1e6]), np.array([1.0, 1.0, 1.0])]

    assert pytest.approx((1e6 + 5) / 6) == mixture([Stratum(1.0, calls)], 9, np.zeros(2)).mean.value


@pytest.mark.parametrize("percent", FLOORS)
def test_a_percentile_needs_its_floor_of_calls(percent: int) -> None:
    floor = FLOORS[percent]

    def found(calls: int) -> bool:
        series = [np.ones(calls // 2), np.ones(calls - calls // 2)]
        percentiles = mixture([Stratum(1.0, series)], 9, np.zeros(2)).percentiles
        return percentiles[percent] is not None

    assert [False, True] == [found(floor - 1), found(floor)]
    assert 0.01 < (percent / 100) ** (floor - 1), "one call less would bound it less surely"
    assert (percent / 100) ** floor <= 0.0101


def test_calls_of_a_mixture_count_for_less_than_alike_ones() -> None:
    """Kish: 1 / (0.9^2 / 100 + 0.1^2 / 10) calls tell as much."""
    strata = [constant(0.9, 1.0, 25), Stratum(0.1, [np.full(n, 5.0) for n in (3, 3, 2, 2)])]

    assert int(1 / (0.81 / 100 + 0.01 / 10)) == mixture(strata, 100, STEADY).effective


SHARES = st.lists(st.floats(0.01, 1), min_size=1, max_size=4)


@given(SHARES, st.integers(1, 500), st.integers(0, 10), st.floats(0.01, 3))
def test_percentiles_rise_and_lie_in_their_intervals_over_0(
    raw: list[float], samples: int, seed: int, wide: float
) -> None:
    rng = np.random.default_rng(seed)
    shares = np.array(raw) / sum(raw)
    strata = [
        Stratum(float(share), [rng.lognormal(k, wide, 40) for _ in range(6)])
        for k, share in enumerate(shares)
    ]

    found = mixture(strata, samples, rng.normal(0, wide, 6))

    known = [interval for interval in found.percentiles.values() if interval is not None]
    assert sorted(i.value for i in known) == [i.value for i in known]
    for interval in (found.mean, *known):
        assert 0 < interval.low <= interval.value <= interval.high


EARLY, SAMPLES = 0.7, 500


def simulated(memory: float, blocks: int, samples: int | None, rng: np.random.Generator) -> Latency:
    """Return the latency of two exits on a machine that swings, their shares found on `samples`.

    Three more tasks tell the pace; 25 calls a block, each with noise of its own.
    """
    costs = {"early": 5.0, "late": 22.0, "x": 10.0, "y": 10.0, "z": 10.0}
    series = noise.run(costs, blocks, memory, rng)
    calls = {
        name: ms[:, None] * rng.lognormal(0, 0.05, (blocks, 25)) for name, ms in series.items()
    }
    pace = told_apart({name: some.mean(axis=1) for name, some in calls.items()}).pace
    early = EARLY if samples is None else rng.binomial(samples, EARLY) / samples
    strata = [Stratum(early, [*calls["early"]]), Stratum(1 - early, [*calls["late"]])]
    return mixture(strata, samples or 10**9, pace)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 1.0, 3.0])
def test_the_mixture_holds_the_truth(memory: float) -> None:
    """What a run of 20,000 blocks shows lies in at least 93 % of the intervals of 40 blocks."""
    truth = simulated(memory, 20_000, None, np.random.default_rng(99))
    rng, runs = np.random.default_rng(7), 1000
    held = dict.fromkeys(("mean", *FLOORS), 0)
    for _ in range(runs):
        found = simulated(memory, 40, SAMPLES, rng)
        held["mean"] += found.mean.holds(truth.mean.value)
        for percent, interval in found.percentiles.items():
            known = truth.percentiles[percent]
            assert interval is not None
            assert known is not None
            held[percent] += interval.holds(known.value)

    assert {} == {figure: n / runs for figure, n in held.items() if n < 0.93 * runs}


def test_a_long_run_shows_what_the_costs_are() -> None:
    """Noise of 5 % and 5 % on 5 ms for 70 % and 22 ms for 30 %."""
    found = simulated(0.0, 2000, None, np.random.default_rng(3))

    wide = np.hypot(0.05, 0.05)
    assert pytest.approx(0.7 * 5 + 0.3 * 22, rel=0.01) == found.mean.value
    beyond = {
        50: (5.0, 0.5 / 0.7),
        90: (22.0, 0.2 / 0.3),
        95: (22.0, 0.25 / 0.3),
        99: (22.0, 0.29 / 0.3),
    }
    for percent, (ms, part) in beyond.items():
        interval = found.percentiles[percent]
        assert interval is not None
        assert pytest.approx(ms * np.exp(wide * NormalDist().inv_cdf(part)), rel=0.01) == (
            interval.value
        )


def test_a_slow_block_of_the_machine_is_not_in_the_tail() -> None:
    """Every task took four times as long in one block of ten: that is the pace."""
    pace = np.where(np.arange(10) == 4, np.log(4), 0.0)
    calls = [np.full(50, ms) for ms in np.exp(pace)]

    p99 = mixture([Stratum(1.0, calls)], 9, pace).percentiles[99]

    assert p99 is not None
    assert pytest.approx(1.0) == p99.value


def test_quantiles_are_those_of_all_calls() -> None:
    found = quantiles([np.arange(51.0), np.arange(51.0, 101.0)])

    assert [5.0 * step for step in range(21)] == pytest.approx(found)
