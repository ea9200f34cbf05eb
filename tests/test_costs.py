"""Expected MACs, expected time and break-even, by hand and against enumeration."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from calexnet.costs import (
    Macs,
    Profiles,
    SegmentTimes,
    binomial,
    break_even_band,
    break_even_exit_rate,
    exit_profile,
    expected_call_ms,
    expected_calls,
    expected_gathers,
    profiles,
)

MACS = Macs(stages=(100, 200, 300), branches=(10, 20), gates=(1, 2))
MS = st.floats(0.0, 10.0)


@st.composite
def rates(draw: st.DrawFn, exits: int) -> tuple[float, ...]:
    parts = draw(st.lists(st.integers(0, 4), min_size=exits, max_size=exits).filter(any))
    return tuple(part / sum(parts) for part in parts)


@st.composite
def devices(draw: st.DrawFn, *, rising: bool) -> tuple[SegmentTimes, int, tuple[float, ...]]:
    """Draw segment times, a batch within their grid, and exit rates."""
    segments, batch = draw(st.integers(2, 3)), draw(st.integers(1, 4))
    batches = (1, 2, 4) if draw(st.booleans()) else (1, 4)
    steps = draw(
        st.lists(
            st.lists(MS, min_size=len(batches), max_size=len(batches)),
            min_size=segments,
            max_size=segments,
        )
    )
    call_ms = tuple(tuple(np.cumsum(row).tolist()) if rising else tuple(row) for row in steps)
    return SegmentTimes(batches, call_ms), batch, draw(rates(segments))


def test_the_plain_network_is_the_sum_of_its_stages() -> None:
    assert 600 == MACS.plain


@pytest.mark.parametrize(
    ("own_head_only", "to_exit", "mean"),
    [
        # 100 + 11; 300 + 11 + 22; 600 + 11 + 22
        (False, [111, 333, 633], 0.5 * 111 + 0.25 * 333 + 0.25 * 633),
        # 100 + 11; 300 + 22; 600
        (True, [111, 322, 600], 0.5 * 111 + 0.25 * 322 + 0.25 * 600),
    ],
)
def test_macs_to_an_exit_count_every_head_visited_or_the_own_head_only(
    own_head_only: bool, to_exit: list[int], mean: float
) -> None:
    assert to_exit == MACS.to_exit(own_head_only=own_head_only).tolist()
    assert mean == MACS.expected((0.5, 0.25, 0.25), own_head_only=own_head_only)


def test_macs_without_branches_are_the_plain_network() -> None:
    assert [600.0] == Macs((600,), (), ()).to_exit().tolist()


def test_the_time_of_a_call_is_measured_interpolated_or_nothing_for_no_samples() -> None:
    """Grid 1 and 3: two samples count for both neighbours by half, four for nothing."""
    everyone = {batch: expected_calls((1, 3), batch, (0.0, 1.0))[1].tolist() for batch in (1, 2, 3)}

    assert {1: [1.0, 0.0], 2: [0.5, 0.5], 3: [0.0, 1.0]} == everyone
    assert [0.0, 0.0] == expected_calls((1, 3), 3, (1.0, 0.0))[1].tolist()


def test_without_gathering_the_whole_batch_goes_on_while_one_survives() -> None:
    """Half leave: of two samples at least one survives in 3 of 4 cases."""
    times = SegmentTimes((1, 2), ((3.0, 4.0), (10.0, 12.0)))

    found = expected_call_ms(times, 2, (0.5, 0.5), compacted=False)

    assert pytest.approx(4 + 0.75 * 12) == found


@given(st.integers(1, 40), st.floats(0, 1))
def test_gathering_never_calls_with_more_samples(batch: int, early: float) -> None:
    grid = tuple(range(1, batch + 1))
    samples = [
        expected_calls(grid, batch, (early, 1 - early), compacted=compacted)[1] @ np.array(grid)
        for compacted in (True, False)
    ]

    assert pytest.approx(batch * (1 - early)) == samples[0]
    assert samples[0] <= samples[1] + 1e-9


@pytest.mark.parametrize("share", [0.0, 1e-9, 0.3, 0.5, 1.0 - 1e-9, 1.0])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 60])
def test_the_binomial_is_its_formula(count: int, share: float) -> None:
    expected = [
        math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)
    ]

    np.testing.assert_allclose(binomial(count, share), expected, rtol=1e-6, atol=1e-300)


@given(st.integers(0, 4096), st.floats(0, 1))
def test_the_binomial_sums_to_one_and_has_its_mean(count: int, share: float) -> None:
    chances = binomial(count, share)

    assert count + 1 == len(chances)
    assert pytest.approx(1.0, abs=1e-9) == chances.sum()
    assert pytest.approx(count * share, rel=1e-8, abs=1e-9) == chances @ np.arange(count + 1)


@pytest.mark.parametrize(("share", "sure"), [(-1e-16, 0), (1.0 + 1e-15, 3)])
def test_a_share_that_rounding_moved_out_of_range_is_certain(share: float, sure: int) -> None:
    assert 1.0 == binomial(3, share)[sure]


def enumerated_call_ms(times: SegmentTimes, batch: int, exit_rates: Sequence[float]) -> float:
    """Return the mean over every way in which the samples of a batch can take exits."""
    total, exits = 0.0, range(len(exit_rates))
    for taken in itertools.product(exits, repeat=batch):
        chance = math.prod(exit_rates[k] for k in taken)
        for segment in exits:
            alive = sum(k >= segment for k in taken)
            if alive:
                row = times.call_ms[segment]
                total += chance * float(np.interp(alive, times.batches, row))
    return total


@given(devices(rising=False))
def test_the_expected_time_is_the_mean_over_all_outcomes(
    device: tuple[SegmentTimes, int, tuple[float, ...]],
) -> None:
    expected = enumerated_call_ms(*device)

    assert pytest.approx(expected, rel=1e-6, abs=1e-9) == expected_call_ms(*device)


def test_the_expected_time_of_two_samples_worked_by_hand() -> None:
    """Half leave: both stay in 1 of 4 cases, one stays in 2 of 4, none in 1 of 4."""
    times = SegmentTimes((1, 2), ((3.0, 4.0), (10.0, 12.0)))

    assert pytest.approx(4 + 0.25 * 12 + 0.5 * 10) == expected_call_ms(times, 2, (0.5, 0.5))


def enumerated_gathers(batch: int, exit_rates: Sequence[float]) -> list[float]:
    """Return the same over every way in which the samples of a batch can take exits."""
    exits = range(len(exit_rates))
    found = [0.0 for _ in exits]
    for taken in itertools.product(exits, repeat=batch):
        chance = math.prod(exit_rates[k] for k in taken)
        alive = [sum(k >= segment for k in taken) for segment in exits]
        for segment in exits[1:]:
            found[segment] += chance * alive[segment] * (alive[segment] < alive[segment - 1])
    return found


@given(devices(rising=False))
def test_survivors_are_gathered_where_someone_left(
    device: tuple[SegmentTimes, int, tuple[float, ...]],
) -> None:
    times, batch, rates = device
    expected, gather_ms = enumerated_gathers(batch, rates), [0.5 * k for k in range(len(rates))]

    assert pytest.approx(expected, abs=1e-9) == expected_gathers(batch, rates)
    added = expected_call_ms(times, batch, rates, gather_ms=gather_ms)
    added -= expected_call_ms(times, batch, rates)
    assert pytest.approx(float(np.dot(expected, gather_ms)), abs=1e-6) == added


@pytest.mark.parametrize(
    ("early", "mix", "expected"),
    [
        (0.5, (0.2, 0.6), (0.125, 0.375, 0.5)),
        (1.0, (0.2, 0.6), (0.25, 0.75, 0.0)),
        (0.0, (0.2, 0.6), (0.0, 0.0, 1.0)),
        (0.5, (0.0, 0.0), (0.25, 0.25, 0.5)),
    ],
)
def test_an_exit_profile_keeps_the_mix_among_branches(
    early: float, mix: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    assert pytest.approx(expected) == exit_profile(early, mix)


def break_even(
    times: SegmentTimes,
    batch: int,
    exit_rates: Sequence[float],
    *,
    plain_call_ms: float,
    cascade_call_ms: float,
) -> float | None:
    """Return the rate with the prediction moved to meet the measured cascade."""
    found = profiles(times.batches, batch, exit_rates)
    expected = found.expected_ms(np.array(times.call_ms))
    moved = cascade_call_ms - expected[found.observed]
    return break_even_exit_rate(found, expected + moved - plain_call_ms)


@pytest.mark.parametrize("observed", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(
    ("head_ms", "overhead_ms", "expected"),
    [
        (1.0, 1.0, 0.25),
        (0.5, 0.0, 0.0625),
        (4.0, 3.5, 0.9375),
        (4.0, 3.98, 0.9975),
        (6.0, 3.0, None),
        (1.0, -2.0, 0.0),
    ],
)
def test_one_exit_at_batch_one_breaks_even_where_the_rest_pays_for_head_and_overhead(
    head_ms: float, overhead_ms: float, expected: float | None, observed: float
) -> None:
    """e* = (h + o) / t_rest, whatever share was observed."""
    stage_ms, rest_ms = 5.0, 8.0
    times = SegmentTimes((1,), ((stage_ms + head_ms,), (rest_ms,)))

    found = break_even(
        times,
        1,
        (observed, 1 - observed),
        plain_call_ms=stage_ms + rest_ms,
        cascade_call_ms=stage_ms + head_ms + (1 - observed) * rest_ms + overhead_ms,
    )

    assert (expected is None) == (found is None)
    assert expected is None or pytest.approx(expected, abs=1e-9) == found


@settings(max_examples=50, deadline=None)
@given(devices(rising=True), MS, MS)
def test_the_predicted_costs_are_equal_at_the_break_even_rate(
    device: tuple[SegmentTimes, int, tuple[float, ...]], plain_ms: float, cascade_ms: float
) -> None:
    times, batch, observed = device
    found = break_even(times, batch, observed, plain_call_ms=plain_ms, cascade_call_ms=cascade_ms)

    def loss_ms(early: float) -> float:
        moved = cascade_ms - expected_call_ms(times, batch, observed)
        profile = exit_profile(early, observed[:-1])
        return expected_call_ms(times, batch, profile) + moved - plain_ms

    # Linear between points 1/200 apart: the error of a polynomial of degree `batch` is below
    # step^2 / 8 times its second derivative.
    slowest = max(max(row) for row in times.call_ms)
    error_ms = (1 / 200) ** 2 / 8 * batch**2 * 4 * slowest * len(times.call_ms) + 1e-9
    if found is None:
        assert loss_ms(1.0) > -error_ms
    elif found == 0.0:
        assert loss_ms(0.0) < error_ms
    else:
        assert abs(loss_ms(found)) < error_ms


@pytest.mark.slow
@settings(max_examples=50, deadline=None)
@given(devices(rising=True), MS, MS)
def test_the_observed_rate_lies_beyond_the_break_even_rate_when_the_cascade_measured_faster(
    device: tuple[SegmentTimes, int, tuple[float, ...]], plain_ms: float, cascade_ms: float
) -> None:
    times, batch, observed = device
    assume(abs(plain_ms - cascade_ms) > 1e-6)

    found = break_even(times, batch, observed, plain_call_ms=plain_ms, cascade_call_ms=cascade_ms)

    beyond = found is not None and sum(observed[:-1]) >= found
    assert (cascade_ms < plain_ms) == beyond


@pytest.mark.parametrize("faster_ms", [1e-7, -1e-7])
def test_a_measurement_next_to_break_even_is_judged_by_itself_and_not_by_its_neighbours(
    faster_ms: float,
) -> None:
    """At batch 4 the cost is a curve; a line between two other rates would lie above it here."""
    times = SegmentTimes((1, 4), ((0.0, 0.0), (9.0, 9.0)))
    early = 0.9025

    found = break_even(
        times, 4, (early, 1 - early), plain_call_ms=5.0, cascade_call_ms=5.0 - faster_ms
    )

    assert found is not None
    assert (faster_ms > 0) == (early >= found)
    assert pytest.approx(early, abs=1e-6) == found


def test_a_cascade_that_measured_faster_has_broken_even_though_more_exits_would_cost_more() -> None:
    """One survivor costs the tail more here than two, as odd batch sizes do on some devices.

    Nobody leaving costs 0.5 + 4 ms against 5; half leaving would cost 0.5 + 6.
    """
    times = SegmentTimes((1, 2), ((0.5, 0.5), (10.0, 4.0)))

    found = break_even(times, 2, (0.0, 1.0), plain_call_ms=5.0, cascade_call_ms=4.5)

    assert 0.0 == found


#: Profiles at steps of a quarter; what the cascade loses falls from 2 to -2.
QUARTERS = Profiles(np.linspace(0, 1, 5), np.zeros((5, 1, 1)), np.zeros((5, 1)), observed=2)
LOSSES = np.linspace(2, -2, 5)


@pytest.mark.parametrize(
    ("moved", "wide", "expected"),
    [
        (0.0, 0.0, (0.5, 0.5)),
        (0.0, 1.0, (0.25, 0.75)),
        (0.0, 0.4, (0.4, 0.6)),
        (0.0, 3.0, (0.0, None)),
        (1.5, 1.0, (0.625, None)),  # it may never pay
        (-1.5, 1.0, (0.0, 0.375)),
        (3.0, 0.5, (None, None)),  # it surely never pays
        (-3.0, 0.5, (0.0, 0.0)),  # it surely always pays
    ],
)
def test_the_band_is_where_neither_surely_costs_less(
    moved: float, wide: float, expected: tuple[float | None, float | None]
) -> None:
    losses = LOSSES + moved
    rate = break_even_exit_rate(QUARTERS, losses)

    assert pytest.approx(expected) == break_even_band(QUARTERS, rate, losses - wide, losses + wide)
