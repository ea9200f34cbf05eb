"""What is timed, in a reader's words."""

from __future__ import annotations

from calexnet.bench.report.task import Task


def in_words(task: Task) -> str:
    """Return what was timed: ``images leaving at exit 2 on onnxruntime fp32, 8 images a call``."""
    batch = task.setting.batch
    call = "single images" if batch == 1 else f"{batch} images a call"
    if task.network == "rival":
        return f"{task.name}, {call}"
    return f"{_network(task)} on {task.build}, {call}"


def _network(task: Task) -> str:
    if task.network == "cut":
        return f"the network cut at exit {task.exit}"
    if task.half:
        return f"batches of which half leave at exit {task.exit}"
    if task.exit is not None:
        return f"images leaving at exit {task.exit}{' of one file' * (task.network == 'one file')}"
    if task.name:
        return f"the cascade at {task.name}"
    return {"plain": "plain", "cascade": "the cascade"}.get(task.network, "the cascade in one file")
