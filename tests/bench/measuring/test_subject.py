"""What is timed of one subject: what goes ahead of a path, where half of a batch is to leave."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.subject import middle
from calexnet.bench.measuring.timing import Task
from calexnet.devices.cpu import CpuDevice
from calexnet.runtimes.result import Result
from tests.bench.conftest import PLAN
from tests.support.onnx_bundle import WIDE, sample_data


def test_images_of_all_exits_go_ahead_of_each_single_image_of_a_path(
    bench_bundle: Path, timed: Mapping[str, Task]
) -> None:
    """As often as they come in the images' own order, and before no other task."""
    plan = replace(PLAN, threads=(1,), blocks=2, seconds=0.01, energy=EnergyPlan(0))

    measure(bench_bundle, sample_data(WIDE), CpuDevice(), plan)

    def exits(name: str, *, ahead: bool) -> list[int]:
        task = timed[f"onnxruntime fp32 {name}"]
        calls = [c for b in range(40) for c in (task.ahead(b) if ahead else task.calls(b))]
        return [int(cast("Result", call()).exits[0]) for call in calls]

    order = exits("cascade@1", ahead=False)
    for number in (1, 2, 3):
        found = exits(f"exit{number}@1", ahead=True)
        common = min(len(order), len(found))
        assert order[:common] == found[:common]
        assert {1, 2, 3} == set(found[:common])
        assert {number} == set(exits(f"exit{number}@1", ahead=False))
    for name in ("plain@1", "cascade@1", "exit2@3", "half1@2"):
        assert [] == list(timed[f"onnxruntime fp32 {name}"].ahead(0))


@pytest.mark.parametrize(
    ("scores", "expected"),
    [
        ([0.25, 0.75], 0.5),
        ([0.0, 0.5, 1.0, 1.0], 0.75),
        ([1.0, 1.0, 1.0, 0.0], 0.5),
        ([0.5, 0.5], None),
        ([np.nan, 0.5], None),
        ([np.nan, 0.25, 0.75], 0.5),
    ],
)
def test_half_of_the_scores_reach_the_threshold(
    scores: list[float], expected: float | None
) -> None:
    assert expected == middle(np.array(scores, np.float32))


@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=40, unique=True))
def test_of_scores_that_differ_about_half_leave(raw: list[float]) -> None:
    scores = np.array(raw, np.float32)

    threshold = middle(scores)

    assert threshold is not None
    assert abs(int((scores >= threshold).sum()) - len(raw) / 2) <= 1
