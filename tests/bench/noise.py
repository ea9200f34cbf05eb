"""Simulated machines: costs that are known, on a clock that swings."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Name -> how many blocks the machine's pace remembers; 0 = each task has noise of its own only.
MEMORY = {"independent": 0.0, "a block": 1.0, "two blocks": 2.0, "three blocks": 3.0}
#: The pace swings by a factor of two between its usual extremes.
_SWING = np.log(2) / 4
_SLOTS = 8


def pace(blocks: int, memory: float, rng: np.random.Generator) -> Floats:
    """Return how slow the machine is: float64 ``(blocks, slots)``, around 1.

    A first-order autoregression of its logarithm, so that 95 % of it lies within a factor of two.
    """
    if memory == 0:
        return np.ones((blocks, _SLOTS))
    count = blocks * _SLOTS
    keep = float(np.exp(-1 / (memory * _SLOTS)))
    state = np.empty(count)
    state[0] = rng.normal()
    pushes = rng.normal(size=count) * np.sqrt(1 - keep**2)
    for slot in range(1, count):
        state[slot] = keep * state[slot - 1] + pushes[slot]
    return np.asarray(np.exp(_SWING * state).reshape(blocks, _SLOTS))


def mean_pace(memory: float) -> float:
    """Return the long-run mean of `pace`, that of a log-normal."""
    return 1.0 if memory == 0 else float(np.exp(_SWING**2 / 2))


def median_pace() -> float:
    """Return the long-run median of `pace`."""
    return 1.0


def run(
    costs: Mapping[str, float], blocks: int, memory: float, rng: np.random.Generator
) -> dict[str, Floats]:
    """Return each task's cost in each block: the true one, the pace of its slot, its own noise."""
    slow = pace(blocks, memory, rng)
    slots = np.array([rng.permutation(_SLOTS)[: len(costs)] for _ in range(blocks)])
    return {
        name: cost * slow[np.arange(blocks), slots[:, place]] * rng.lognormal(0.0, 0.05, blocks)
        for place, (name, cost) in enumerate(costs.items())
    }
