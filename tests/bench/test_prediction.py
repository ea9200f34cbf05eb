"""What the grid of segments foretells, against simulated machines whose costs are known."""

# The expected value comes first in every comparison.
from __future__ import annotations

import numpy as np
import pytest

from calexnet.bench.blocks import told_apart
from calexnet.bench.prediction import Grid
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
