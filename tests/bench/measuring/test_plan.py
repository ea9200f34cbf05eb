"""What may be asked for, and the batch sizes that follow."""

from __future__ import annotations

from typing import Any

import pytest

from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.errors import InputError

ASKED: dict[str, Any] = {"batches": (1,), "threads": (1,)}


@pytest.mark.parametrize(
    ("batches", "grid"),
    [
        ((1,), (1,)),
        ((8, 3), (1, 2, 3, 4, 8)),
        ((6,), (1, 2, 4, 6)),
        ((2, 32), (1, 2, 4, 8, 16, 32)),
    ],
)
def test_the_grid_has_powers_of_two_for_survivors(
    batches: tuple[int, ...], grid: tuple[int, ...]
) -> None:
    assert grid == BenchPlan(batches, (1,)).grid


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batches": ()}, r"^batches cannot be used: got \(\); expected numbers from 1 up$"),
        ({"threads": (0,)}, r"^threads cannot be used: got \(0,\); expected numbers from 1 up$"),
        ({"blocks": 1}, "^blocks cannot be used: got 1; expected at least 2$"),
        ({"seconds": 0.0}, "^seconds cannot be used: got 0.0; expected over 0$"),
        (
            {"max_drop": 2.0},
            "^the accuracy that may be lost .*: got 200 points; expected 0 to 100 p",
        ),
        ({"seed": -1}, "^the seed cannot be used: got -1; expected at least 0$"),
        ({"energy": EnergyPlan(-1)}, "^energy windows cannot be used: got -1; expected 0 = none"),
        ({"energy": EnergyPlan(1)}, "^energy windows cannot be used: got 1; expected 0 = none, or"),
        ({"energy": EnergyPlan(5, 0.0)}, "^energy seconds cannot be used: got 0.0; expected over"),
        ({"provider": "cuda"}, "^a provider is one target's: got 'cuda'. Name it with --target"),
        ({"cpu_tdp_w": 0.0}, "^the rated power cannot be used: got 0.0; expected watts$"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BenchPlan(**{**ASKED, **changes})
