"""What is timed: its key, what the samples call it, and its words."""

from __future__ import annotations

import pytest

from calexnet.bench.report.task import Setting, Task
from calexnet.bench.words.tasks import in_words

WHERE = Setting("tflite", "int8")
MANY = Setting("tflite", "int8", 32)


@pytest.mark.parametrize(
    ("task", "key", "said"),
    [
        (Task(WHERE, "plain"), "tflite int8 plain@1", "plain on tflite int8, single images"),
        (
            Task(MANY, "cascade"),
            "tflite int8 cascade@32",
            "the cascade on tflite int8, 32 images a call",
        ),
        (
            Task(WHERE, "cascade", 2),
            "tflite int8 exit2@1",
            "images leaving at exit 2 on tflite int8, single images",
        ),
        (
            Task(WHERE, "cascade", name="margin-0.05"),
            "tflite int8 point margin-0.05@1",
            "the cascade at margin-0.05 on tflite int8, single images",
        ),
        (
            Task(WHERE, "one file"),
            "tflite int8 one file@1",
            "the cascade in one file on tflite int8, single images",
        ),
        (
            Task(WHERE, "one file", 1),
            "tflite int8 one file exit1@1",
            "images leaving at exit 1 of one file on tflite int8, single images",
        ),
        (
            Task(MANY, "cascade", 2, half=True),
            "tflite int8 half2@32",
            "batches of which half leave at exit 2 on tflite int8, 32 images a call",
        ),
        (
            Task(WHERE, "cut", 2),
            "tflite int8 cut2@1",
            "the network cut at exit 2 on tflite int8, single images",
        ),
        (
            Task(Setting("tflite", "", 8), "rival", name="small net.onnx"),
            "rival small net.onnx@8",
            "small net.onnx, 8 images a call",
        ),
    ],
)
def test_a_task_has_a_key_and_words(task: Task, key: str, said: str) -> None:
    assert (key, said) == (task.key, in_words(task))
