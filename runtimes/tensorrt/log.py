"""What TensorRT says while it works, kept: when a build fails, the reason stands nowhere else."""

from __future__ import annotations

import threading
from collections import deque
from functools import cache
from typing import Any

#: Lines of a log that are kept for a message: a process may run for months.
_KEPT = 1000
#: Lines of a log that a message shows; the last ones tell most.
_SHOWN = 12


@cache
def recording_log(trt: Any) -> Any:
    """Return the log of `trt` in this process: an ``ILogger`` with ``mark()`` and ``text(since)``.

    There is one: the first logger that TensorRT is given in a process is used until its end. So a
    call marks the log first, and a failure shows what was said since; by whatever thread, for
    TensorRT builds with threads of its own.

    Args:
        trt: The module `tensorrt` or one like it.
    """

    class Log(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._lines: deque[tuple[int, str]] = deque(maxlen=_KEPT)
            self._count = 0
            self._lock = threading.Lock()

        def log(self, severity: Any, message: str) -> None:
            """Keep warnings and errors."""
            if severity <= trt.ILogger.Severity.WARNING:
                with self._lock:
                    self._lines.append((self._count, message))
                    self._count += 1

        def mark(self) -> int:
            """Return this place in the log."""
            return self._count

        def text(self, since: int) -> str:
            """Return the last lines after a mark, each once."""
            with self._lock:
                said = [message for number, message in self._lines if number >= since]
            lines = dict.fromkeys(" ".join(message.split()) for message in said)
            return "; ".join([*lines][-_SHOWN:]) or "nothing in its log"

    return Log()
