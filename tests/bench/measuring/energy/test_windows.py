"""The energy of an image, on a device whose every watt is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.measuring.energy.section import (
    EnergyCell,
    EnergyExits,
    EnergySection,
    duration_s,
    measure_energy,
)
from calexnet.bench.measuring.energy.windows import (
    EnergyPlan,
    EnergyRun,
    break_even,
    choose_source,
    estimated_j,
    remedies_of,
    unmeasured,
)
from calexnet.bench.measuring.timing import Task
from calexnet.bench.report.interval import Interval
from calexnet.devices.base import Device, DeviceRecord, DeviceState, Probe
from calexnet.devices.energy import EnergySource
from calexnet.devices.sampling import Sensor, SensorError
from tests.support.synthetic_power import Counter, Hang, PowerMeter, SyntheticTime

IDLE_W = 3.0
#: Segments of a cascade: seconds and watts; an image that leaves at exit k runs the first k.
SEGMENTS = ((0.002, 5.0), (0.003, 9.0), (0.007, 14.0))
PLAIN = (0.009, 13.0)
RATES = (0.5, 0.3, 0.2)
PLAN = EnergyPlan(windows=4, window_s=5.0)


class Board(Device):
    """A device on synthetic time; it can be given work that goes on after the call."""

    name = "board"

    def __init__(self, time: SyntheticTime, sources: Sequence[EnergySource]) -> None:
        self.time, self.sources = time, sources
        self.pending_s = 0.0
        self.drained: list[float] = []

    def describe(self) -> DeviceRecord:
        raise NotImplementedError

    def state(self) -> DeviceState:
        raise NotImplementedError

    def probes(self) -> tuple[Probe, ...]:
        return tuple(Probe(source.record.name, source) for source in self.sources)

    def drain(self) -> None:
        self.time.work(self.pending_s, 20.0)
        self.drained.append(self.pending_s)
        self.pending_s = 0.0


def path(time: SyntheticTime, last: int) -> Callable[[], None]:
    """Return an image's way through the cascade to exit `last`."""

    def call() -> None:
        for seconds, watts in SEGMENTS[:last]:
            time.work(seconds, watts)

    return call


def path_j(last: int) -> float:
    return sum(seconds * watts for seconds, watts in SEGMENTS[:last])


def path_s(last: int) -> float:
    return sum(seconds for seconds, _ in SEGMENTS[:last])


def to_exit(time: SyntheticTime, last: int) -> Task:
    return Task(lambda block: [path(time, last)] * 10, 10)


def plain(time: SyntheticTime) -> Task:
    return Task(lambda block: [lambda: time.work(*PLAIN)] * 10, 10)


def mixed(time: SyntheticTime) -> Task:
    exits = [1] * 5 + [2] * 3 + [3] * 2
    return Task(lambda block: [path(time, k) for k in exits], 10)


def run_of(
    time: SyntheticTime, source: EnergySource, plan: EnergyPlan = PLAN, seed: int = 0
) -> EnergyRun:
    return EnergyRun(Board(time, [source]), source, plan, np.random.default_rng(seed), time)


def sources(time: SyntheticTime) -> dict[str, Sensor]:
    return {
        "fast counter": Counter(time, tick_s=0.001),
        "slow counter": Counter(time, tick_s=0.1, period_s=0.02),
        "meter": PowerMeter(time, period_s=0.01),
        "averaging meter": PowerMeter(time, period_s=0.02, averaging_s=1.0),
    }


@pytest.mark.parametrize("name", ["fast counter", "slow counter", "meter", "averaging meter"])
def test_energy_that_follows_the_exits_is_found_exit_by_exit(name: str) -> None:
    """Within two per cent, although power changes many times within a period of the sensor."""
    time = SyntheticTime(IDLE_W)
    run = run_of(time, sources(time)[name])

    with run.recorded():
        run.compare("exits", {str(k): to_exit(time, k) for k in (1, 2, 3)})

    for k in (1, 2, 3):
        found = run.cost("exits", str(k))
        assert found.gross is not None
        assert found.net is not None
        assert pytest.approx(path_j(k), rel=0.02) == found.gross.joules
        assert found.gross.low <= found.gross.joules <= found.gross.high
        above_idle_j = path_j(k) - IDLE_W * path_s(k)
        assert pytest.approx(above_idle_j, rel=0.04) == found.net.joules


@pytest.mark.parametrize("seconds", [0.1, 1.0, 60.0])
@pytest.mark.parametrize("name", ["fast counter", "meter"])
def test_constant_power_over_any_window_is_found_within_a_hundredth(
    name: str, seconds: float
) -> None:
    time = SyntheticTime(IDLE_W)
    plan = EnergyPlan(windows=2, window_s=seconds)
    run = run_of(time, sources(time)[name], plan)
    task = Task(lambda block: [lambda: time.work(0.004, 11.0)] * 8, 16)  # two images a call

    with run.recorded():
        run.compare("", {"task": task})

    found = run.cost("", "task").gross
    assert found is not None
    assert pytest.approx(0.002 * 11.0, rel=0.01) == found.joules


def test_a_comparison_has_a_ratio_with_its_interval_and_a_verdict() -> None:
    time = SyntheticTime(IDLE_W)
    run = run_of(time, Counter(time))

    with run.recorded():
        run.compare("cell", {"plain": plain(time), "cascade": mixed(time)})

    found = run.comparison("cell", "plain", "cascade").gross
    plain_j, ours_j = PLAIN[0] * PLAIN[1], float(np.dot(RATES, [path_j(k) for k in (1, 2, 3)]))
    assert found is not None
    assert found.ratio is not None
    assert found.ratio_low is not None
    assert found.ratio_high is not None
    assert pytest.approx(ours_j / plain_j, rel=0.02) == found.ratio
    assert found.ratio_low <= found.ratio <= found.ratio_high
    assert "cascade" == found.verdict


def test_windows_take_turns_in_random_order() -> None:
    orders = set()
    for seed in range(6):
        time = SyntheticTime(IDLE_W)
        log: list[str] = []
        run = run_of(time, PowerMeter(time), EnergyPlan(3, 0.5), seed)

        def task(name: str, time: SyntheticTime = time, log: list[str] = log) -> Task:
            def calls(block: int) -> list[Callable[[], None]]:
                log.append(f"{name}{block}")
                return [lambda: time.work(0.1, 5.0)]

            return Task(calls, 1)

        with run.recorded():
            run.compare("", {name: task(name) for name in "ab"})
        assert [{"a0", "b0"}, {"a1", "b1"}, {"a2", "b2"}] == [
            {*log[i : i + 2]} for i in range(0, 6, 2)
        ]
        orders.add(tuple(log))
    assert len(orders) > 1


def test_work_that_is_still_going_on_is_waited_for_before_a_window_closes() -> None:
    """Calls return at once; what they left behind uses 20 W and belongs to their images."""
    time = SyntheticTime(IDLE_W)
    meter = PowerMeter(time)
    run = run_of(time, meter, EnergyPlan(3, 1.0))
    board = run.device
    assert isinstance(board, Board)

    def call() -> None:
        time.work(0.1, 10.0)
        board.pending_s += 0.1

    with run.recorded():
        run.compare("", {"task": Task(lambda block: [call], 1)})

    found = run.cost("", "task").gross
    assert found is not None
    assert pytest.approx(0.1 * 10.0 + 0.1 * 20.0, rel=0.12) == found.joules
    assert board.drained.count(0.0) == 2, "the idle pauses wait too, and find nothing"
    assert len(board.drained) == 2 + 3


def test_the_idle_device_is_measured_before_and_after() -> None:
    time = SyntheticTime(IDLE_W)
    run = run_of(time, PowerMeter(time))

    with run.recorded():
        run.compare("", {"plain": plain(time)})
        time.use(IDLE_W + 2.0)  # it has become warmer

    method = run.method({"rapl": "no permission"})
    assert pytest.approx(IDLE_W) == method.idle_before_w
    assert pytest.approx(IDLE_W + 2.0) == method.idle_after_w
    found = run.cost("", "plain").net
    assert found is not None
    assert pytest.approx(PLAIN[0] * (PLAIN[1] - IDLE_W - 1.0), rel=0.02) == found.joules
    assert (4, 5.0, {"rapl": "no permission"}) == (
        method.windows,
        method.window_s,
        method.refused,
    )


def test_what_reading_costs_is_measured_in_turns() -> None:
    """Reading takes a millisecond of every ten, and the device has one core."""
    time = SyntheticTime(IDLE_W)

    class Slow(PowerMeter):
        def read(self) -> float:
            time.sleep(0.001)
            return super().read()

    run = run_of(time, Slow(time))
    run.weigh_probe(plain(time))
    with run.recorded():
        run.compare("", {"plain": plain(time)})

    cost = run.method({}).probe
    assert cost is not None
    assert pytest.approx(1.1, rel=0.05) == cost.slowdown
    assert cost.slowdown_low <= cost.slowdown <= cost.slowdown_high
    assert pytest.approx(1.0, rel=0.01) == cost.read_ms
    assert cost.readings > 1000


@pytest.mark.parametrize(
    ("problem", "reason"),
    [(SensorError("unplugged"), "unplugged"), (Hang(), "no reading for"), (1e7, "cannot be")],
)
def test_a_sensor_that_fails_in_mid_run_takes_only_its_own_figures_with_it(
    problem: Exception | Hang | float, reason: str
) -> None:
    time = SyntheticTime(IDLE_W)
    meter = PowerMeter(time)
    run = run_of(time, meter)

    with run.recorded():
        run.compare("early", {"plain": plain(time)})
        meter.problem = problem
        run.compare("late", {"plain": plain(time)})

    early, late = run.cost("early", "plain"), run.cost("late", "plain")
    assert early.gross is not None
    assert pytest.approx(PLAIN[0] * PLAIN[1], rel=0.01) == early.gross.joules
    assert early.net is None, "the idle device was not seen afterwards"
    assert (None, None) == (late.gross, late.net)
    assert late.reason is not None
    assert reason in late.reason
    method = run.method({})
    assert method.idle_after_w is None
    assert method.idle_message is not None
    assert reason in method.idle_message


def test_windows_start_at_different_images() -> None:
    """Those too short to see all images would else all see the same few."""
    time, seen = SyntheticTime(IDLE_W), set[int]()

    def calls(block: int) -> list[Callable[[], None]]:
        def call(image: int) -> None:
            seen.add(image)
            time.work(0.1, 5.0)

        return [lambda image=image: call(image) for image in range(100)]  # type: ignore[misc]

    run = run_of(time, PowerMeter(time), EnergyPlan(5, 1.0))
    with run.recorded():
        run.compare("", {"task": Task(calls, 100)})

    assert len(seen) > 40


def section(
    time: SyntheticTime,
    board: Board,
    plan: EnergyPlan = PLAN,
    cpu_tdp_w: float | None = None,
) -> EnergySection:
    return measure_energy(
        board,
        plan,
        [EnergyCell(1, 1, plain(time), mixed(time), 0.02, 0.01)],
        EnergyExits(RATES, tuple(to_exit(time, k) for k in (1, 2, 3))),
        subject={"target": "onnxruntime", "precision": "fp32"},
        rng=np.random.default_rng(0),
        cpu_tdp_w=cpu_tdp_w,
        time=time,
    )


@pytest.mark.parametrize("window_s", [1.0, 5.0])
def test_how_long_a_section_takes_is_known_beforehand(window_s: float) -> None:
    time = SyntheticTime(IDLE_W)
    board = Board(time, [Counter(time)])
    plan = EnergyPlan(windows=4, window_s=window_s)

    expected = duration_s(board, plan, 2 + 3, None)
    start = time.now()
    section(time, board, plan)

    assert pytest.approx(expected, rel=0.2) == time.now() - start
    assert 0.0 == duration_s(Board(time, []), plan, 5, None), "without a sensor"


def test_a_section_has_a_row_for_every_cell_and_exit_and_a_crossover() -> None:
    time = SyntheticTime(IDLE_W)

    found = section(time, Board(time, [Counter(time)]))

    (row,) = found.rows
    assert (1, 1, None, 0.02, 0.01) == (
        row.batch,
        row.threads,
        row.message,
        row.plain_cpu_s,
        row.cascade_cpu_s,
    )
    assert (None, None) == (row.plain_estimated_j, row.cascade_estimated_j)
    assert [(1, 0.5), (2, 0.3), (3, 0.2)] == [(e.exit, e.rate) for e in found.exits]
    (pays,) = found.crossover
    assert row.gross is not None
    assert pytest.approx(pays.recombined_j, rel=0.02) == pays.cascade_j
    assert (1, 1, 0.8) == (pays.batch, pays.threads, pays.observed_exit_rate)
    assert pays.break_even_low is not None
    assert pays.break_even_exit_rate is not None
    assert pays.break_even_high is not None
    assert 0 < pays.break_even_low <= pays.break_even_exit_rate <= pays.break_even_high < 0.8
    assert found.method.source is not None
    assert "counter" == found.method.source.name


def test_without_a_sensor_every_row_is_there_and_says_why() -> None:
    time = SyntheticTime(IDLE_W)
    board = Board(time, [])
    board.probes = lambda: (Probe("rapl", None, "no permission", "sudo chmod"),)  # type: ignore[method-assign]

    found = section(time, board, cpu_tdp_w=30.0)

    assert [(None, None, None)] == [(r.gross, r.net, r.message) for r in found.rows]
    assert [(None, None, None)] * 3 == [(e.gross, e.net, e.message) for e in found.exits]
    assert () == found.crossover
    assert (None, {"rapl": "no permission"}, 30.0) == (
        found.method.source,
        found.method.refused,
        found.method.cpu_tdp_w,
    )
    (row,) = found.rows
    assert row.plain_estimated_j is not None
    assert row.cascade_estimated_j is not None
    assert pytest.approx(2.0) == row.plain_estimated_j / row.cascade_estimated_j


def test_no_windows_and_no_work_on_the_device_are_reasons_too() -> None:
    time = SyntheticTime(IDLE_W)
    board = Board(time, [PowerMeter(time)])

    unasked = section(time, board, EnergyPlan(0)).method
    assert ({}, 0) == (unasked.refused, unasked.windows)
    board.unused = lambda: "nothing ran on board"  # type: ignore[method-assign]
    assert {"energy": "nothing ran on board"} == section(time, board).method.refused


def test_the_first_sensor_that_can_be_read_is_used() -> None:
    time = SyntheticTime(IDLE_W)
    meter, other = PowerMeter(time), Counter(time)
    probes = (Probe("a", None, "absent"), Probe("b", meter), Probe("c", other))

    assert (meter, {"a": "absent"}) == choose_source(probes, None, 5)
    assert (None, {"a": "absent"}) == choose_source(probes[:1], None, 5)
    assert {"a": "absent"} == unmeasured({"a": "absent"}, {}, 5).refused


def test_sensors_that_cannot_be_used_say_what_would_measure() -> None:
    probes = (Probe("a", None, "absent", "Plug it in"), Probe("b", None, "dead"))

    assert {"a": "Plug it in"} == remedies_of(probes)
    assert {"a": "Plug it in"} == unmeasured({"a": "absent"}, remedies_of(probes), 5).remedies


def sure(value: float, wide: float = 0.0) -> Interval:
    return Interval(value, value - wide, value + wide)


def crossing(
    exit_j: list[float], rates: list[float], plain_j: float, cascade_j: float, wide: float = 0.0
) -> tuple[float | None, float | None, float | None]:
    ratio = cascade_j / plain_j
    return break_even([sure(j) for j in exit_j], rates, plain_j, sure(ratio, wide))


def test_break_even_in_joules_by_hand() -> None:
    """Exit 1 costs 2 J, the tail 10 J, plain 6 J: half must leave early. All recombine exactly."""
    rates = [0.75, 0.25]
    assert pytest.approx((0.5,) * 3) == crossing([2.0, 10.0], rates, 6.0, 4.0)
    assert (0.0, 0.0, 0.0) == crossing([2.0, 5.0], rates, 6.0, 2.75)
    assert (None, None, None) == crossing([7.0, 10.0], rates, 6.0, 7.75)


def test_the_band_of_break_even_in_joules_by_hand() -> None:
    """An early exit saves 8 of plain's 6 J, so a ratio that is off by 0.2 moves the rate by 0.15.

    The exits' own noise counts by how far their shares are from the observed ones: 0.25 of each.
    """
    rates = [0.75, 0.25]
    assert pytest.approx((0.5, 0.35, 0.65)) == crossing([2.0, 10.0], rates, 6.0, 4.0, wide=0.2)
    noisy = break_even([sure(2.0, 0.3), sure(10.0, 0.4)], rates, 6.0, sure(4 / 6))
    assert noisy[1] is not None
    # At the lower end e: (0.75 - e) x 0.5 J of noise = (0.5 - e) x 8 J of loss.
    assert pytest.approx((4 - 0.375) / 7.5, abs=1e-3) == noisy[1]


@pytest.mark.slow
@given(
    early_j=st.floats(1.0, 5.0),
    tail_j=st.floats(6.0, 20.0),
    plain_j=st.floats(1.0, 20.0),
    extra_j=st.floats(-0.5, 2.0),
    early=st.floats(0.0, 1.0),
)
def test_the_observed_rate_lies_beyond_break_even_exactly_when_the_cascade_uses_less(
    early_j: float, tail_j: float, plain_j: float, extra_j: float, early: float
) -> None:
    cascade_j = early * early_j + (1 - early) * tail_j + extra_j

    found, _, _ = crossing([early_j, tail_j], [early, 1 - early], plain_j, cascade_j)

    if cascade_j < plain_j - 1e-9:
        assert found is not None
        assert found <= early + 1e-9
    elif cascade_j > plain_j + 1e-9:
        assert found is None or found >= early - 1e-9


def test_an_estimate_is_the_rated_power_of_the_cores_that_were_busy() -> None:
    assert 0.5 * 65.0 / 8 == estimated_j(0.5, 65.0, 8)
