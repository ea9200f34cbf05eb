"""Names of what is timed, in words."""

from __future__ import annotations

import pytest

from calexnet.bench.tasks import in_words


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
        ("rival small net.onnx@8", "small net.onnx, 8 images a call"),
        ("something else", "something else"),
    ],
)
def test_a_task_in_words(task: str, said: str) -> None:
    assert in_words(task) == said
