"""The machine's pace, told apart from the tasks' times: by hand, and against a simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.model.blocks import Blocks, Times, told_apart
from calexnet.bench.model.statistics import Floats
from calexnet.bench.report.interval import Interval
from calexnet.errors import MeasurementError
from tests.bench import noise

COSTS = {"plain": 20.0, "cascade": 16.0, "exit1": 5.0, "exit2": 11.0, "exit3": 21.0}
RUNS, BLOCKS = 1000, 40


def test_what_all_tasks_share_is_the_pace_and_the_rest_their_times() -> None:
    """Blocks at 1, 2 and 4 times the usual speed; the usual one is the middle one."""
    slow = np.array([1.0, 2.0, 4.0])

    found = told_apart({"a": 3 * slow, "b": 5 * slow, "c": 7 * slow})

    np.testing.assert_allclose(found.pace, np.log([0.5, 1.0, 2.0]), atol=1e-12)
    np.testing.assert_allclose(found.rests, 0.0, atol=1e-12)
    assert pytest.approx({"a": 6.0, "b": 10.0, "c": 14.0}) == found.usual()
    assert pytest.approx(7 / 3) == found.ratio("a", "c").value
    assert pytest.approx(4.0) == found.swing()
    assert pytest.approx(4.0) == found.drift()


def test_halves_are_every_other_block_and_know_nothing_of_each_other() -> None:
    even, odd = [1.0, 2.0, 3.0], [10.0, 20.0, 30.0]
    mixed = np.array([one for pair in zip(even, odd, strict=True) for one in pair])
    found = told_apart({"a": mixed, "b": 2 * mixed, "c": np.repeat([5.0, 7.0], 3)})

    for half, rows in zip(found.halves(), ([0, 2, 4], [1, 3, 5]), strict=True):
        alone = told_apart(
            {"a": mixed[rows], "b": 2 * mixed[rows], "c": np.repeat([5.0, 7.0], 3)[rows]}
        )
        assert pytest.approx(alone.usual()) == half.usual()
        np.testing.assert_allclose(alone.pace, half.pace, atol=1e-12)


def test_too_few_blocks_are_not_halved() -> None:
    found = told_apart({"a": np.array([1.0, 2.0, 3.0]), "b": np.array([2.0, 2.0, 2.0])})

    assert (found, found) == found.halves()


def test_a_hiccup_of_one_task_is_not_the_machines() -> None:
    found = told_apart({"a": np.array([1.0, 1.0, 9.0]), "b": np.full(3, 2.0), "c": np.full(3, 3.0)})

    assert found.rests[0, 2] > 1
    assert pytest.approx(1.0) == found.ms("a")
    assert pytest.approx(2.0) == found.ratio("a", "b").value


def test_steady_tasks_have_intervals_of_no_width() -> None:
    found = told_apart({name: np.full(5, cost) for name, cost in COSTS.items()})

    for interval, value in (
        (found.ratio("plain", "cascade"), 0.8),
        (found.interval("plain"), 20.0),
        (found.derived(lambda times: times["plain"] - times["cascade"]), 4.0),
    ):
        assert pytest.approx((value,) * 3) == (interval.value, interval.low, interval.high)


@given(
    st.lists(st.lists(st.floats(0.01, 100), min_size=6, max_size=6), min_size=2, max_size=5),
    st.lists(st.floats(0.1, 10), min_size=6, max_size=6),
)
def test_a_change_of_the_machines_pace_changes_no_ratio(
    tasks: list[list[float]], slow: list[float]
) -> None:
    def ratio(factor: np.ndarray) -> float:
        series = {str(i): np.array(task) * factor for i, task in enumerate(tasks)}
        return told_apart(series).ratio("0", "1").value

    # The median of an even number of tasks or blocks lies between two: the pace may move by that.
    rough = told_apart({str(i): np.array(task) for i, task in enumerate(tasks)})
    spread = float(np.exp(2 * np.abs(rough.rests).max()))
    assert 1 / spread <= ratio(np.array(slow)) / ratio(np.ones(6)) <= spread


def test_a_call_that_takes_no_time_is_refused() -> None:
    message = r"^a call took no time .*: got 0.0 ms for a; expected over 0\. Give each cell more"
    with pytest.raises(MeasurementError, match=message):
        told_apart({"a": np.array([1.0, 0.0])})


def _leaving_late(times: Times) -> Floats:
    return (times["exit3"] - times["exit2"]) / times["plain"]


def holds(blocks: Blocks) -> dict[str, bool]:
    """Tell which figures' intervals hold the truth; times stand at the pace's median."""
    return {
        "ratio": blocks.ratio("plain", "cascade").holds(0.8),
        "time": blocks.interval("plain").holds(20.0 * noise.median_pace()),
        "made of several": blocks.derived(_leaving_late).holds((21 - 11) / 20),
    }


@pytest.mark.slow
@pytest.mark.parametrize("memory", noise.MEMORY.values(), ids=noise.MEMORY)
def test_the_intervals_hold_the_truth(memory: float) -> None:
    """Independent noise, and a pace that swings twofold and remembers up to three blocks."""
    rng = np.random.default_rng(5)
    held = dict.fromkeys(("ratio", "time", "made of several"), 0)
    for _ in range(RUNS):
        blocks = told_apart(noise.run(COSTS, BLOCKS, memory, rng))
        for figure, inside in holds(blocks).items():
            held[figure] += inside

    assert {} == {figure: n / RUNS for figure, n in held.items() if n < 0.93 * RUNS}


def test_an_interval_is_not_wider_than_it_must_be() -> None:
    """Noise of 5 % over 40 blocks: the median of a ratio is off by 5 % sqrt(2 x 1.57 / 40)."""
    rng = np.random.default_rng(6)
    widths = []
    for _ in range(100):
        found = told_apart(noise.run(COSTS, BLOCKS, 0.0, rng)).ratio("plain", "cascade")
        widths.append(np.log(found.high / found.low) / 2)

    assert np.median(widths) < 2.0 * 1.96 * 0.05 * np.sqrt(2 * 1.57 / BLOCKS)


def test_a_slow_drift_leaves_few_effective_blocks() -> None:
    drifting = told_apart({"a": np.linspace(1, 3, 40), "b": np.linspace(2, 6, 40)})
    rng = np.random.default_rng(0)
    steady = told_apart(noise.run(COSTS, 40, 0.0, rng))

    assert drifting.effective() < 5 < 20 < steady.effective()
    assert drifting.drift() > 1.5
    assert pytest.approx(1.0, abs=0.05) == steady.drift()


def test_the_figures_follow_from_the_seed() -> None:
    series = noise.run(COSTS, 10, 1.0, np.random.default_rng(0))
    ratios: list[Interval] = [
        told_apart(series, seed).ratio("plain", "cascade") for seed in (1, 1, 2)
    ]

    assert ratios[0] == ratios[1] != ratios[2]
