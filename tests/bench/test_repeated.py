"""The same thing measured twice: nothing but times may differ, and no time is told apart."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.model.compare import compare
from calexnet.bench.report.document import Report
from calexnet.devices.cpu import CpuDevice
from calexnet.files import schema
from tests.support.onnx_bundle import WIDE, sample_data

PAIRS = 20
PLAN = BenchPlan(
    batches=(1,),
    threads=(1,),
    blocks=10,
    seconds=0.3,
    energy=EnergyPlan(0),
    memory=False,
    allow_unstable=True,
)

#: The keys under which a report holds what a clock, a sensor or a counter said, or what follows
#: from it. All else follows from the bundle, the data, the plan and the seed.
TIMINGS = {
    "validity",
    "decision",
    "certificate",  # who is tested hangs on who is faster
    "keeps",
    "state",
    "device_after",
    "started",
    "seconds",
    "ms",
    "plain_ms",
    "plain_low",
    "plain_high",
    "cascade_ms",
    "cascade_low",
    "cascade_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "predicted_cascade_ms",
    "prediction_low",
    "prediction_high",
    "break_even_exit_rate",
    "break_even_low",
    "break_even_high",
    "verdict",
    "flips",
    "calls",
    "mean_ms",
    "p50_ms",
    "p90_ms",
    "p95_ms",
    "p99_ms",
    "latency_ms",
    "latency_low",
    "latency_high",
    "quantiles_ms",
    "low",
    "high",
    "running_on_ms",
    "running_on_low",
    "running_on_high",
    "time_saved",
    "plain_cpu_s",
    "cascade_cpu_s",
}


def differing(a: Any, b: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the keys to whatever differs."""
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        for key in a:
            yield from differing(a[key], b[key], (*path, key))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for one, other in zip(a, b, strict=True):
            yield from differing(one, other, path)
    elif a != b:
        yield path


@pytest.mark.slow
def test_two_runs_of_the_same_seed_on_the_same_data_differ_in_timings_only(
    bench_bundle: Path,
) -> None:
    runs = [measure(bench_bundle, sample_data(WIDE), CpuDevice(), PLAN) for _ in range(2)]

    found = [*differing(*map(schema.encode, runs))]

    assert [] == [".".join(path) for path in found if not TIMINGS & {*path}]
    assert ("samples", "ms") in found, "two runs never take the same time"


@pytest.mark.slow
def test_another_seed_walks_the_images_in_another_order(bench_bundle: Path) -> None:
    """So that the test above does not hold for want of anything to differ."""
    other = dataclasses.replace(PLAN, seed=1)
    runs = [measure(bench_bundle, sample_data(WIDE), CpuDevice(), p) for p in (PLAN, other)]

    found = [*differing(*map(schema.encode, runs))]

    assert ("provenance", "seed") in found


@pytest.mark.slow
def test_a_bundle_and_its_copy_are_not_told_apart(bench_bundle: Path, tmp_path: Path) -> None:
    """Of 20 pairs at most one may have a row, of all that was timed, that says it changed."""
    copy = tmp_path / "copy"
    shutil.copytree(bench_bundle, copy)

    def run(folder: Path, seed: int) -> Report:
        plan = dataclasses.replace(PLAN, seed=seed)
        return measure(folder, sample_data(WIDE), CpuDevice(), plan)

    told_apart, rows = [], 0
    for pair in range(PAIRS):
        # What else runs here makes runs invalid; their intervals are as wide as that.
        a, b = run(bench_bundle, pair), run(copy, pair)
        found = compare(a, b, everything=True, across=("invalid",))
        rows += len(found.rows)
        changed = {row.change for row in found.rows} - {"SAME", "UNCLEAR"}
        if changed:
            told_apart.append((pair, changed))

    assert PAIRS * 9 == rows
    assert len(told_apart) <= 1, told_apart
