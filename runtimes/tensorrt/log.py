"""What TensorRT says while it works, kept: when a build fails, the reason stands nowhere else."""

from __future__ import annotations

from functools import cache
from typing import Any

#: Lines of a log that a message shows; the last ones tell most.
_SHOWN = 12


@cache
def recording_log(trt: Any) -> Any:
    """Return the log of `trt` in this process: an ``ILogger`` with ``clear()`` and ``text()``.

    There is one: the first logger that TensorRT is given in a process is used until its end.

    Args:
        trt: The module `tensorrt` or one like it.
    """

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._lines: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            """Keep warnings and errors."""
            if severity <= trt.ILogger.Severity.WARNING:
                self._lines.append(message)

        def clear(self) -> None:
            self._lines.clear()

        def text(self) -> str:
            """Return the last lines, each once."""
            lines = dict.fromkeys(" ".join(line.split()) for line in self._lines)
            return "; ".join([*lines][-_SHOWN:]) or "nothing in its log"

    return Log()
