"""Intervals: worked by hand, and held against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.bench.model.statistics import (
    Comparison,
    compare,
    effective_blocks,
    in_quadrature,
    paired_change,
    share,
    student,
    typical,
    widened,
    widened_for,
    widening,
)
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import Verdict

RUNS = 1000


def bounds(interval: Interval) -> tuple[float, float]:
    return interval.low, interval.high


def cells(both: int, lost: int, won: int, neither: int) -> tuple[NDArray[np.bool_], ...]:
    """Return plain's and the cascade's rightness, image by image."""
    counts = [both, lost, won, neither]
    return np.repeat([1, 1, 0, 0], counts) == 1, np.repeat([1, 0, 1, 0], counts) == 1


@pytest.mark.parametrize(
    ("hits", "count", "expected"),
    [
        # z^2 = 3.8415; for 8 of 10: (0.8 + 0.19207) / 1.38415 -+ 1.96 sqrt(0.016 + 0.0096) / 1.384
        (8, 10, (0.49016, 0.94332)),
        (0, 10, (0.0, 0.27753)),
        (10, 10, (0.72247, 1.0)),
        (50, 100, (0.40383, 0.59617)),
        (0, 0, (0.0, 1.0)),
    ],
)
def test_wilsons_interval(hits: int, count: int, expected: tuple[float, float]) -> None:
    found = share(hits, count)

    assert (hits / count if count else 0.0) == found.value
    assert pytest.approx(expected, abs=1e-5) == bounds(found)


@pytest.mark.parametrize(
    ("table", "value", "expected"),
    [
        # b, c, n = 10.5, 5.5, 102: -5 / 102 -+ 1.95996 sqrt(16 - 25 / 102) / 102
        ((80, 10, 5, 5), -0.05, (-0.12529, 0.02725)),
        ((80, 5, 10, 5), 0.05, (-0.02725, 0.12529)),
        # b, c, n = 0.5, 0.5, 102: 0 -+ 1.95996 / 102; nobody differs, and yet nothing is certain
        ((90, 0, 0, 10), 0.0, (-0.01922, 0.01922)),
    ],
)
def test_agresti_and_mins_paired_interval(
    table: tuple[int, int, int, int], value: float, expected: tuple[float, float]
) -> None:
    found = paired_change(*cells(*table))

    assert value == found.value
    assert pytest.approx(expected, abs=1e-5) == bounds(found)


def test_wilsons_interval_holds_the_truth() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for truth in rng.uniform(0.02, 0.98, RUNS):
        found = share(int(rng.binomial(200, truth)), 200)
        held += found.low <= truth <= found.high

    assert 0.93 <= held / RUNS <= 0.98


@pytest.mark.parametrize(("lost", "won"), [(0.05, 0.03), (0.02, 0.02), (0.15, 0.05)])
def test_the_paired_interval_holds_the_truth(lost: float, won: float) -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(RUNS):
        found = paired_change(*cells(*rng.multinomial(300, [0.7, lost, won, 0.3 - lost - won])))
        held += found.low <= won - lost <= found.high

    assert 0.93 <= held / RUNS <= 0.99


def test_the_ratios_interval_holds_the_truth_where_both_drift_together() -> None:
    rng = np.random.default_rng(2)
    held, runs = 0, 200
    for _ in range(runs):
        drift = rng.uniform(1.0, 2.0, 25)
        plain = drift * rng.lognormal(0.0, 0.03, 25)
        ours = 0.8 * drift * rng.lognormal(0.0, 0.03, 25)
        found = compare(plain, ours, seed=0).ratio
        held += found.low <= 0.8 <= found.high

    assert 0.93 <= held / runs


POSITIVE = st.floats(1e-6, 1e6)


@given(st.lists(st.tuples(POSITIVE, POSITIVE), min_size=2, max_size=20), st.integers(0, 5))
def test_a_ratio_is_ours_over_plain_and_lies_in_its_interval(
    blocks: list[tuple[float, float]], seed: int
) -> None:
    plain, ours = np.array(blocks).T

    found = compare(plain, ours, seed)

    assert np.median(plain) == found.plain
    assert pytest.approx(found.plain * found.ratio.value) == found.ours
    ratios = ours / plain
    assert ratios.min() * (1 - 1e-9) <= found.ratio.value <= ratios.max() * (1 + 1e-9)
    assert found.ratio.low <= found.ratio.value <= found.ratio.high
    assert found == compare(plain, ours, seed)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.5, "cascade"), (1.0, "unclear"), (2.0, "plain")]
)
def test_a_drift_that_both_share_does_not_blur_the_ratio(factor: float, verdict: str) -> None:
    drift = np.linspace(1.0, 3.0, 15)

    found = compare(drift, factor * drift, seed=0)

    assert pytest.approx((factor,) * 3) == (found.ratio.value, *bounds(found.ratio))
    assert verdict == found.verdict


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.8, 0.999, "cascade"),
        (0.8, 1.0, "unclear"),
        (0.9, 1.1, "unclear"),
        (1.0, 1.2, "unclear"),
        (1.001, 1.2, "plain"),
    ],
)
def test_a_verdict_needs_an_interval_without_one(low: float, high: float, verdict: Verdict) -> None:
    assert verdict == Comparison(1.0, 1.0, Interval(1.0, low, high)).verdict


def test_a_typical_cost_is_the_median_over_blocks() -> None:
    costs = np.array([3.0, 1.0, 2.0, 100.0, 2.5])

    found = typical(costs, seed=0)

    assert pytest.approx(2.5) == found.value
    assert found.low < 1.0 < 3.0 < found.high, "five blocks tell little"
    assert 0 < found.low
    same = typical(np.full(4, 7.0), seed=0)
    assert pytest.approx((7.0,) * 3) == (same.value, *bounds(same))
    assert typical(np.array([-1.0, 0.0, 2.0]), seed=0).low < 0


@pytest.mark.parametrize(
    ("freedom", "point"),
    [(1, 12.706), (2, 4.303), (5, 2.571), (9, 2.262), (39, 2.023), (1e9, 1.960)],
)
def test_students_point_is_the_tables(freedom: float, point: float) -> None:
    assert pytest.approx(point, rel=0.01) == student(freedom)


def test_blocks_that_remember_each_other_count_for_less() -> None:
    """1 .. 8 has the lag-one autocorrelation 26.25 / 42 = 0.625, and (1 + 3 r) / n more."""
    r = 0.625 + (1 + 3 * 0.625) / 8
    lags = np.arange(1, 8)
    expected = 8 / (1 + 2 * ((1 - lags / 8) * r**lags).sum())

    assert expected < 2
    assert 2.0 == effective_blocks(np.arange(1.0, 9.0))
    assert 8.0 == effective_blocks(np.array([1.0, -1.0] * 4)), "no credit for taking turns"
    assert 8.0 == effective_blocks(np.full(8, 3.0))


def test_alternating_pairs_worked_by_hand() -> None:
    """1 1 -1 -1 and so on: products of neighbours sum to 1, of 16 squares; r = 1/16 + ..."""
    series = np.tile([1.0, 1.0, -1.0, -1.0], 4)
    seen = 1 / 16
    r = seen + (1 + 3 * seen) / 16
    lags = np.arange(1, 16)

    expected = 16 / (1 + 2 * ((1 - lags / 16) * r**lags).sum())

    assert pytest.approx(expected) == effective_blocks(series)
    factor = student(expected - 1) / 1.959964 * np.sqrt(16 / (expected - 1))
    assert pytest.approx(factor, rel=1e-6) == widening(series)


def test_an_interval_is_widened_on_each_side_by_itself() -> None:
    draws = np.linspace(9.0, 13.0, 4001)

    found = widened(10.0, draws, 2.0)

    assert pytest.approx((10.0 - 2 * 0.9, 10.0 + 2 * 2.9)) == bounds(found)


def test_independent_errors_add_in_quadrature() -> None:
    found = in_quadrature(5.0, [Interval(0.0, -3.0, 1.0), Interval(2.0, -2.0, 2.0)])

    assert pytest.approx((0.0, 6.0)) == bounds(found)


def test_many_intervals_hold_together_when_each_misses_less_often() -> None:
    """Of 100 rows each may miss in 1 of 2000, so 3.4808 standard errors instead of 1.9600."""
    alone = Interval(2.0, 2.0 * np.exp(-1.96), 2.0 * np.exp(1.96))

    together, same = widened_for(alone, 100), widened_for(alone, 1)

    assert pytest.approx((2.0 * np.exp(-3.4808), 2.0 * np.exp(3.4808)), rel=1e-3) == (
        together.low,
        together.high,
    )
    assert pytest.approx((alone.low, alone.high)) == (same.low, same.high)
