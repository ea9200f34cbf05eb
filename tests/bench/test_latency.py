"""The mixture over exits: worked by hand, and against a simulated truth."""

# The expected value comes first in every comparison.
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.latency import FLOORS, Stratum, mixture, quantiles
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


@given(SHARES, st.integers(1, 500), st.integers(0, 10))
def test_percentiles_rise_and_lie_in_their_intervals(
    raw: list[float], samples: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    shares = np.array(raw) / sum(raw)
    strata = [
        Stratum(float(share), [rng.lognormal(k, 0.2, 40) for _ in range(6)])
        for k, share in enumerate(shares)
    ]

    found = mixture(strata, samples, rng.normal(0, 0.1, 6))

    known = [interval for interval in found.percentiles.values() if interval is not None]
    assert sorted(i.value for i in known) == [i.value for i in known]
    for interval in (found.mean, *known):
        assert interval.low <= interval.value <= interval.high


@pytest.mark.parametrize("memory", [0.0, 2.0])
def test_the_mean_of_the_mixture_holds_the_truth(memory: float) -> None:
    """Two exits, 70 and 30 %, found on 500 images, on a machine whose pace swings twofold."""
    rng = np.random.default_rng(7)
    costs, shares, samples, runs = (5.0, 22.0), (0.7, 0.3), 500, 1000
    truth = float(np.dot(costs, shares)) * noise.mean_pace(memory) * float(np.exp(0.05**2 / 2))
    held = 0
    for _ in range(runs):
        seen = rng.binomial(samples, shares[0]) / samples
        series = noise.run({"a": costs[0], "b": costs[1]}, 40, memory, rng)
        pace = np.log(series["a"] * series["b"]) / 2
        found = mixture(
            [
                Stratum(share, [np.array([ms]) for ms in series[name]])
                for share, name in ((seen, "a"), (1 - seen, "b"))
            ],
            samples,
            pace - np.median(pace),
        )
        held += found.mean.holds(truth)

    assert 0.93 <= held / runs


def test_quantiles_are_those_of_all_calls() -> None:
    found = quantiles([np.arange(51.0), np.arange(51.0, 101.0)])

    assert [5.0 * step for step in range(21)] == pytest.approx(found)
