"""Joules of a window, from power and from counters whose truth is known."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calexnet.devices.energy import EnergyReading, SourceRecord, Trace
from calexnet.devices.sampling import Sensor, SensorError
from tests.support.synthetic_power import Counter, Hang, PowerMeter, SyntheticTime

METER = SourceRecord("meter", "power", 1.0, 1.0, "all of it")
COUNTER = SourceRecord("counter", "counter", 0.5, 0.5, "all of it")


def power(times: list[float], watts: list[float]) -> Trace:
    return Trace(METER, np.array(times), np.array(watts))


def measured(
    time: SyntheticTime, sensor: Sensor, during: Callable[[], None], ahead_s: float = 1.0
) -> tuple[EnergyReading, float, float]:
    """Return what a window around `during` says, its length, and the truth."""
    recording = sensor.start(time)
    time.sleep(ahead_s)
    start_s = recording.edge()
    during()
    end_s = recording.edge()
    time.sleep(ahead_s)
    recording.stop()
    truth_j = time.joules(end_s) - time.joules(start_s)
    return recording.trace([(start_s, end_s)]).energy(start_s, end_s), end_s - start_s, truth_j


def test_trapezoids_with_held_edges_by_hand() -> None:
    """10 W at 1 s, 20 W at 2 s: 0.5 s of 10, a second of 15, 0.5 s of 20."""
    assert EnergyReading(5.0 + 15.0 + 10.0) == power([1.0, 2.0], [10.0, 20.0]).energy(0.5, 2.5)


def test_what_lies_outside_the_window_does_not_leak_in() -> None:
    trace = power([0.0, 1.0, 2.0, 3.0], [500.0, 10.0, 10.0, 500.0])

    assert EnergyReading(20.0) == trace.energy(0.5, 2.5)


def test_a_window_between_two_readings_takes_the_line_between_them() -> None:
    assert pytest.approx(3.0) == power([0.0, 1.0], [10.0, 20.0]).energy(0.4, 0.6).joules


@settings(max_examples=60)
@given(
    watts=st.floats(0.5, 300.0),
    seconds=st.floats(0.1, 60.0),
    period_s=st.sampled_from([0.01, 0.05, 0.25]),
    idle_share=st.floats(0.0, 0.9),
)
def test_constant_power_is_found_within_a_hundredth_by_sampling(
    watts: float, seconds: float, period_s: float, idle_share: float
) -> None:
    time = SyntheticTime(idle_share * watts)
    time.use(watts)

    found, _, truth_j = measured(time, PowerMeter(time, period_s), lambda: time.sleep(seconds))

    assert pytest.approx(truth_j, rel=0.01) == found.joules
    assert pytest.approx(watts * seconds, rel=0.01) == found.joules


@pytest.mark.slow
@settings(max_examples=60)
@given(
    watts=st.floats(0.5, 300.0),
    ticks=st.floats(102, 3000),
    tick_s=st.sampled_from([0.001, 0.02, 0.1]),
)
def test_constant_power_is_found_within_a_hundredth_over_a_hundred_ticks_of_a_counter(
    watts: float, ticks: float, tick_s: float
) -> None:
    time = SyntheticTime(watts)
    counter = Counter(time, tick_s, period_s=min(0.01, tick_s / 4))

    found, seconds, _ = measured(time, counter, lambda: time.sleep(ticks * tick_s))

    assert pytest.approx(watts * seconds, rel=0.01) == found.joules


def test_a_counter_s_power_from_tick_to_tick_is_that_of_the_whole_window_by_hand() -> None:
    """4 J every half second: 8 W from the first tick in the window, at 1 s, to the last, at 60 s.

    So 8 W all the 59.7 s, and not the 59 s of the ticks.
    """
    times = np.arange(0.0, 70.0, 0.5)
    trace = Trace(COUNTER, times, 8.0 * times)

    assert pytest.approx(8.0 * 59.7) == trace.energy(0.6, 60.3).joules


@pytest.mark.parametrize("ticks", [1, 10, 99])
def test_fewer_ticks_than_a_hundred_give_none_with_the_reason(ticks: int) -> None:
    time = SyntheticTime(10.0)

    found, _, _ = measured(time, Counter(time, 0.1, 0.02), lambda: time.sleep(0.1 * ticks))

    assert found.joules is None
    assert found.reason is not None
    expected = "too short for a counter that ticks every 100 ms; it must hold 100 ticks"
    assert found.reason.endswith(expected) or "stood still" in found.reason


def test_a_window_that_is_long_enough_is_what_a_source_asks_for() -> None:
    assert 0.5 * 120 == COUNTER.window_s(1.0)
    assert 90.0 == COUNTER.window_s(90.0)
    assert 10.0 == METER.window_s(1.0)


def test_a_mean_of_the_last_second_needs_a_second_of_work_ahead() -> None:
    time = SyntheticTime(2.0)
    meter = PowerMeter(time, averaging_s=1.0)
    recording = meter.start(time)
    time.sleep(3.0)
    time.use(10.0)
    too_early_s = recording.edge()
    time.sleep(1.0)
    start_s = recording.edge()
    time.sleep(2.0)
    end_s = recording.edge()
    recording.stop()
    trace = recording.trace([])

    assert pytest.approx(20.0) == trace.energy(start_s, end_s).joules
    biased = trace.energy(too_early_s, end_s).joules
    assert biased is not None
    assert biased < 0.9 * 30.0


@pytest.mark.parametrize("kind", ["power", "counter"])
@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (SensorError("gone"), "the sensor gave no reading (gone)"),
        (OSError(5, "Input/output error"), "the sensor gave no reading ([Errno 5] Input/output"),
        (ValueError("not a number"), "the sensor gave no reading (not a number)"),
        (Hang(), "no reading for"),
    ],
)
def test_a_sensor_that_dies_or_hangs_gives_none_with_the_reason_and_the_run_ends(
    kind: str, problem: Exception, reason: str
) -> None:
    time = SyntheticTime(10.0)
    sensor = PowerMeter(time) if kind == "power" else Counter(time)

    def during() -> None:
        time.sleep(1.0)
        sensor.problem = problem
        time.sleep(5.0)

    found, seconds, _ = measured(time, sensor, during)

    assert found.joules is None
    assert found.reason is not None
    assert f"{sensor.record.name}: {reason}" in found.reason
    assert seconds >= 6.0


@pytest.mark.parametrize("value", [1e6, -500.0, math.nan, math.inf])
def test_a_meter_that_jumps_gives_none_with_the_reason(value: float) -> None:
    time = SyntheticTime(10.0)
    meter = PowerMeter(time)

    def during() -> None:
        time.sleep(1.0)
        meter.problem = value
        time.sleep(0.05)
        meter.problem = None
        time.sleep(1.0)

    found, _, _ = measured(time, meter, during)

    assert found.joules is None
    assert found.reason is not None
    assert "cannot be" in found.reason or "the sensor said" in found.reason


@pytest.mark.parametrize("jump_j", [1e5, -3.0])
def test_a_counter_that_jumps_gives_none_with_the_reason(jump_j: float) -> None:
    time = SyntheticTime(10.0)
    counter = Counter(time)

    def during() -> None:
        time.sleep(1.0)
        counter.offset_j += jump_j
        time.sleep(1.0)

    found, _, _ = measured(time, counter, during)

    assert found.joules is None
    assert found.reason is not None
    assert "the counter jumped by" in found.reason


def test_what_a_sensor_did_before_or_after_a_window_does_not_spoil_it() -> None:
    trace = Trace(METER, np.arange(10.0), np.full(10, 3.0), ((0.5, "hiccup"), (8.5, "gave up")))

    assert pytest.approx(6.0) == trace.energy(2.0, 4.0).joules
    assert EnergyReading(None, "meter: hiccup") == trace.energy(0.0, 4.0)


def test_a_counter_that_stands_still_gives_none_with_the_reason() -> None:
    trace = Trace(COUNTER, np.arange(0.0, 200.0, 0.5), np.full(400, 7.0))

    assert EnergyReading(None, "counter: the counter stood still for 100 s") == trace.energy(
        50.0, 150.0
    )


def test_a_counter_that_stops_within_the_window_gives_none_with_the_reason() -> None:
    times = np.arange(0.0, 200.0, 0.5)
    trace = Trace(COUNTER, times, np.minimum(times, 120.0))

    assert EnergyReading(
        None, "counter: the counter stood still in a part of the window"
    ) == trace.energy(50.0, 150.0)


def test_silence_without_any_reading_is_named() -> None:
    assert EnergyReading(None, "meter: no reading for 5 s") == power([], []).energy(0.0, 5.0)
    gap = power([0.0, 1.0, 40.0, 41.0], [5.0, 5.0, 5.0, 5.0])
    assert EnergyReading(None, "meter: no reading for 39 s") == gap.energy(0.5, 40.5)
    assert EnergyReading(None, "meter: no reading for 39 s") == gap.energy(20.0, 21.0)


def test_a_power_meter_is_asked_ten_times_a_window() -> None:
    assert 5.0 == replace(METER, period_s=0.5).window_s(1.0)


def test_what_a_source_does_not_say_of_itself() -> None:
    assert (0.0, 10_000.0) == (METER.averaging_s, METER.limit_w)


@pytest.mark.parametrize(("at_s", "spoils"), [(1.999, False), (2, True), (4, True), (4.001, False)])
def test_a_fault_at_a_window_s_edge_is_in_it(at_s: float, spoils: bool) -> None:
    trace = Trace(METER, np.arange(10.0), np.full(10, 3.0), ((at_s, "hiccup"),))

    assert spoils == (trace.energy(2.0, 4.0).joules is None)


def test_a_reading_at_the_window_s_end_is_in_it() -> None:
    """10 W for a second, then up to 30 W: 10 + 20."""
    assert EnergyReading(30.0) == power([0.0, 1.0, 2.0], [10.0, 10.0, 30.0]).energy(0.0, 2.0)


@pytest.mark.parametrize(
    ("period_s", "gap_s", "told"), [(1.0, 10.0, True), (1.0, 10.5, False), (0.01, 0.25, True)]
)
def test_ten_periods_or_a_quarter_second_of_silence_are_no_hang(
    period_s: float, gap_s: float, told: bool
) -> None:
    source = replace(METER, period_s=period_s)
    trace = Trace(source, np.array([0.0, gap_s]), np.array([4.0, 4.0]))

    silent = EnergyReading(None, f"meter: no reading for {gap_s:.3g} s")
    assert (EnergyReading(4.0 * gap_s) if told else silent) == trace.energy(0.0, gap_s)


def test_a_quick_sensor_hangs_after_a_quarter_second() -> None:
    trace = Trace(replace(METER, period_s=0.01), np.array([0.0, 0.5]), np.array([4.0, 4.0]))

    assert EnergyReading(None, "meter: no reading for 0.5 s") == trace.energy(0.0, 0.5)


@pytest.mark.parametrize("start_s", [0.25, 40.25])
def test_between_two_readings_only_these_two_tell_of_silence(start_s: float) -> None:
    trace = power([0.0, 1.0, 40.0, 41.0], [5.0, 5.0, 5.0, 5.0])

    assert EnergyReading(2.5) == trace.energy(start_s, start_s + 0.5)


@pytest.mark.parametrize(
    ("first_s", "last_s", "window"),
    [
        (61.0, 119.0, (60.5, 120.0)),  # two moves are enough for a mean
        (61.0, 111.0, (61.0, 111.0)),  # a hundred ticks, no more
        (15.0, 105.0, (10.0, 110.0)),  # nine tenths of the window
    ],
)
def test_a_counter_is_used_as_soon_as_two_ticks_say_enough(
    first_s: float, last_s: float, window: tuple[float, float]
) -> None:
    """5 J from one to the other, at that power all the window."""
    times = np.arange(0.0, 200.0, 0.5)
    trace = Trace(COUNTER, times, 5.0 * (times >= first_s) + 5.0 * (times >= last_s))

    expected = 5.0 / (last_s - first_s) * (window[1] - window[0])
    assert pytest.approx(expected) == trace.energy(*window).joules


def test_what_a_counter_said_before_a_window_is_its_last_reading_then() -> None:
    trace = Trace(COUNTER, np.array([0.0, 1.0, 2.0]), np.array([5.0, 6.0, 7.0]))

    before = [trace._value_before(start_s) for start_s in (0.5, 1.0, 1.5, 2.5)]

    assert [5.0, 5.0, 6.0, 7.0] == before
    assert np.isnan(trace._value_before(0.0)), "all that comes is new"
