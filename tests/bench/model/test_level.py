"""The level of a series that remembers, by hand and against simulated machines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.model import statistics
from calexnet.bench.model.level import level
from tests.bench import noise

#: Blocks that a pace remembers whose neighbours correlate by 0.9: -1 / log 0.9.
NINE_TENTHS = 9.49
RUNS, BLOCKS = 1000, 40


def paces(memory: float, blocks: int = BLOCKS) -> np.ndarray:
    """Return simulated logarithms of the pace: float64 ``(RUNS, blocks)``; 0 in the long run."""
    rng = np.random.default_rng(11)
    if memory == 0:
        return rng.normal(0.0, 0.05, (RUNS, blocks))
    return np.array([np.log(noise.pace(blocks, memory, rng)[:, 0]) for _ in range(RUNS)])


@pytest.mark.parametrize("memory", [0.0, 1.0, 3.0, NINE_TENTHS])
def test_the_interval_holds_the_level_however_long_the_pace_remembers(memory: float) -> None:
    held = np.mean([level(series, 0).holds(0.0) for series in paces(memory)])

    assert 0.94 <= held


def test_a_bootstrap_over_blocks_does_not() -> None:
    """What the interval is for: widened by one guess of the memory, it misses too often."""
    series = paces(NINE_TENTHS)[:300]
    held = np.mean([statistics.median(one, 0).holds(0.0) for one in series])

    assert held < 0.94
    assert np.median([np.ptp(one) for one in series]) > 0.3


def test_without_memory_the_interval_is_that_of_a_mean() -> None:
    """Noise of 5 % in 40 blocks: 1.96 x 5 % / sqrt(40)."""
    widths = [(found.high - found.low) / 2 for found in (level(s, 0) for s in paces(0.0)[:200])]

    assert pytest.approx(1.96 * 0.05 / np.sqrt(BLOCKS), rel=0.35) == np.median(widths)


def test_two_blocks_by_hand() -> None:
    """Student's t with one degree of freedom, at least: 12.7 times half the distance."""
    found = level(np.array([0.0, 0.1]), 0)

    assert pytest.approx(0.05) == found.value
    assert found.low < 0.05 - 0.9 * 12.7 * 0.05
    assert found.high > 0.05 + 0.9 * 12.7 * 0.05


def test_a_hiccup_in_one_block_is_no_pace() -> None:
    calm = np.random.default_rng(2).normal(0.0, 0.02, BLOCKS)
    hit = calm.copy()
    hit[7] = 2.0

    wide, narrow = (level(series, 0) for series in (hit, calm))

    assert wide.high - wide.low < 1.5 * (narrow.high - narrow.low)


def test_a_series_that_stands_still_has_no_width() -> None:
    assert (3.0, 3.0, 3.0) == tuple(vars(level(np.full(5, 3.0), 0)).values())


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=30),
    st.floats(-5, 5),
    st.floats(0.1, 10),
)
def test_another_unit_or_origin_moves_the_interval_with_it(
    series: list[float], shift: float, scale: float
) -> None:
    x = np.array(series)
    if np.ptp(x) < 1e-3:
        return
    found, moved = level(x, 0), level(shift + scale * x, 0)

    for name in ("value", "low", "high"):
        expected = shift + scale * getattr(found, name)
        assert pytest.approx(expected, rel=1e-6, abs=1e-6 * scale) == getattr(moved, name)
