"""The ONNX that every graph is written in, and the names that all of them share."""

from __future__ import annotations

OPSET = 20
#: Newer IR versions break older runtimes.
IR_VERSION = 10
#: Name of the symbolic batch size in every graph.
BATCH = "n"


def state_name(index: int) -> str:
    """Return the name of the tensor in which a branch (from 0) hands on its state."""
    return f"branch{index + 1}.state"
