"""Where a report's time goes: that it counts all tasks, by hand where it adds up."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report_time import Costs, costs, table
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bundle import open_bundle
from tests.support.onnx_bundle import WIDE, sample_data


def test_every_task_is_tried_and_every_build_answers(bench_bundle: Path) -> None:
    """Of two branches: plain, cascade, 3 exits and 2 halves at 2; at 1 points and cuts too."""
    bundle = open_bundle(bench_bundle)
    found = costs(bundle, sample_data(WIDE).images[:8], BenchPlan((1, 2), (1,)))

    assert ["onnxruntime fp32"] == [*found.answers_s]
    tasks = [name.removeprefix("1: onnxruntime fp32 ") for name in found.once_s]
    assert {"plain@1", "cascade@1", "exit1@1", "exit2@1", "exit3@1", "cut1@1", "cut2@1"} < {*tasks}
    assert {"plain@2", "cascade@2", "exit1@2", "exit2@2", "exit3@2", "half1@2", "half2@2"} < {
        *tasks
    }
    assert found.trial_s > sum(found.once_s.values()) > 0


def test_the_lines_by_hand() -> None:
    """One task of 2 s, with 10 s spent: 20 s left of 30 hold 10 rounds, fewer than 11."""
    found = Costs({"a fp32": 0.003}, 10.0, {"1: plain": 2.0})

    assert [
        "answers an image: a fp32 3.0 ms; 10,000 images: 30 s",
        "1 tasks, one call of each: 2.0 s",
        "finding out how fast each task is: 10.0 s",
        "--seconds 30: 10 blocks in 22 s, with finding out 32 s",
    ] == table(found, (30.0,)).splitlines()
