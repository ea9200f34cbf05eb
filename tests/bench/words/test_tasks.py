"""Names of what is timed, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.timing import Task
from calexnet.bench.words.tasks import in_words
from calexnet.devices.cpu import CpuDevice
from calexnet.export import export_if
from tests.bench.conftest import PLAN
from tests.support.onnx_bundle import sample_data, write_bundle


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("onnxruntime fp32 plain@1", "plain on onnxruntime fp32, single images"),
        ("tflite int8 cascade@32", "the cascade on tflite int8, 32 images a call"),
        ("tflite int8 exit2@1", "images leaving at exit 2 on tflite int8, single images"),
        (
            "onnxruntime (cuda) fp16 point margin-0.05@1",
            "the cascade at margin-0.05 on onnxruntime (cuda) fp16, single images",
        ),
        (
            "onnxruntime fp32 one file@1",
            "the cascade in one file on onnxruntime fp32, single images",
        ),
        (
            "onnxruntime fp32 one file exit1@1",
            "images leaving at exit 1 of one file on onnxruntime fp32, single images",
        ),
        (
            "tflite fp32 half2@32",
            "batches of which half leave at exit 2 on tflite fp32, 32 images a call",
        ),
        ("tflite int8 cut2@1", "the network cut at exit 2 on tflite int8, single images"),
        ("rival small net.onnx@8", "small net.onnx, 8 images a call"),
        ("something else", "something else"),
    ],
)
def test_a_task_in_words(task: str, said: str) -> None:
    assert in_words(task) == said


@pytest.mark.slow
def test_all_that_a_run_times_has_words(tmp_path: Path, timed: Mapping[str, Task]) -> None:
    write_bundle(tmp_path)
    export_if(tmp_path)
    plan = replace(PLAN, batches=(1, 2), threads=(1,), blocks=2, seconds=0.01)

    measure(tmp_path, sample_data(), CpuDevice(), replace(plan, energy=EnergyPlan(0)))

    assert {"half1@2", "exit3@1", "one file exit2@1"} <= {name[17:] for name in timed}
    assert [] == [name for name in timed if in_words(name) == name]
