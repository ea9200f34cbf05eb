"""What the grid of segments foretells, against simulated machines whose costs are known."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.bench.model.blocks import told_apart
from calexnet.bench.model.prediction import Grid, halved, is_told
from calexnet.bench.report.interval import Interval
from tests.bench import noise

RATES = (0.5, 0.2, 0.3)
#: ms an image at batch 1; what the cascade costs beside its exits is 0.3 ms.
COSTS = {"plain@1": 20.0, "exit1@1": 5.0, "exit2@1": 11.0, "exit3@1": 21.0, "cascade@1": 11.3}


def band(memory: float, rng: np.random.Generator, blocks: int = 40) -> tuple[float | None, ...]:
    return Grid(told_apart(noise.run(COSTS, blocks, memory, rng)), "", (1,), RATES).break_even(1)


def test_without_noise_the_band_has_no_width() -> None:
    """21 + 0.3 - 20 ms to be saved; an early exit saves 21 - (0.5 x 5 + 0.2 x 11) / 0.7."""
    steady = told_apart({name: np.full(4, ms) for name, ms in COSTS.items()})
    expected = 1.3 / (21 - 4.7 / 0.7)

    assert pytest.approx((expected,) * 3) == Grid(steady, "", (1,), RATES).break_even(1)


@pytest.mark.slow
@pytest.mark.parametrize("memory", [0.0, 2.0])
def test_the_band_of_the_break_even_rate_holds_the_truth(memory: float) -> None:
    truth, rng, runs = 1.3 / (21 - 4.7 / 0.7), np.random.default_rng(3), 1000
    held = 0
    for _ in range(runs):
        _, low, high = band(memory, rng)
        held += (1.0 if low is None else low) <= truth <= (1.0 if high is None else high)

    assert 0.93 <= held / runs


@pytest.mark.slow
def test_the_band_narrows_with_more_blocks() -> None:
    rng = np.random.default_rng(4)

    def width(blocks: int) -> float:
        found = []
        for _ in range(20):
            _, low, high = band(0.0, rng, blocks)
            assert low is not None
            found.append((1.0 if high is None else high) - low)
        return float(np.median(found))

    assert width(160) < 0.7 * width(40)


#: A path of two segments, 1 and 2 ms an image, and 0.25 ms to gather one.
PATHS = {
    "exit1@1": 1.0,
    "exit2@1": 3.0,
    "exit1@2": 1.0,
    "exit2@2": 3.0,
    "half1@2": (2 + 2 + 0.25) / 2,
}


def grid(**changed: float) -> Grid:
    steady = {name: np.full(4, ms) for name, ms in {**PATHS, **changed}.items()}
    return Grid(told_apart(steady), "", (1, 2), (0.5, 0.5))


def test_gathering_is_what_half_a_batch_costs_beside_its_segments() -> None:
    """Two of which one stays: 1/2 of the time; segment 2 sees two in 1/4 and one in 1/2."""
    assert [0.0, 0.25] == [pytest.approx(found.value) for found in grid().gathers]
    assert (
        pytest.approx((2 + 0.25 * 4 + 0.5 * (2 + 0.25)) / 2) == grid().foretold(2, (0.5, 0.5)).value
    )
    running_on = grid().foretold(2, (0.5, 0.5), compacted=False)
    assert pytest.approx((2 + 0.75 * 4) / 2) == running_on.value


def test_a_gathering_that_seems_to_save_time_is_not_counted() -> None:
    found = grid(**{"half1@2": 1.9})

    assert found.gathers[1].value < 0
    assert pytest.approx((2 + 0.25 * 4 + 0.5 * 2) / 2) == found.foretold(2, (0.5, 0.5)).value


@pytest.mark.parametrize(
    ("low", "told"), [(0.01, True), (-0.05, True), (-0.15, False), (-0.5, False)]
)
def test_a_cost_is_told_from_nothing_by_a_standard_error(low: float, told: bool) -> None:
    assert told == is_told(Interval(0.1, low, 0.2 - low))


@pytest.mark.parametrize(
    ("batches", "size"), [((1,), 1), ((1, 2, 3), 2), ((1, 2, 4, 8, 24), 8), ((1, 5), 1)]
)
def test_gathering_is_timed_at_the_largest_batch_that_the_grid_halves(
    batches: tuple[int, ...], size: int
) -> None:
    assert size == halved(batches)
