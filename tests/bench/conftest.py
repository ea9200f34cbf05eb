"""One report on a hand-made bundle and the data of its split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench.measuring import measure as measuring
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.timing import Method, Spent, Task, interleave
from calexnet.bench.report.document import Report
from calexnet.devices.cpu import CpuDevice
from tests.support.onnx_bundle import WIDE, sample_data

PLAN = BenchPlan(
    batches=(1, 3), threads=(1, 2), blocks=6, seconds=0.5, command="calexnet-bench x", memory=False
)


@pytest.fixture(scope="session")
def report(bench_bundle: Path) -> Report:
    """The report on `bench_bundle` after `PLAN`."""
    return measure(bench_bundle, sample_data(WIDE), CpuDevice(), PLAN)


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, Task]:
    """All tasks that runs of this test time, by name."""
    found: dict[str, Task] = {}

    def spy(tasks: Mapping[str, Task], method: Method, **how: Any) -> dict[str, Spent]:
        found.update(tasks)
        return interleave(tasks, method, **how)

    monkeypatch.setattr(measuring, "interleave", spy)
    return found
