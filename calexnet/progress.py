"""Progress on standard error for everything that takes longer than a moment.

Kept to the standard library, because a board has nothing else.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TextIO, TypeVar

T = TypeVar("T")

_TERMINAL_PERIOD_S = 0.1
_LOG_PERIOD_S = 5.0


class Progress:
    """One line that counts `total` steps, redrawn on a terminal, repeated rarely in a log.

    Use it as a context manager; the last line stays, with the time taken.
    """

    def __init__(self, label: str, total: int, stream: TextIO | None = None) -> None:
        self._label = label
        self._total = total
        self._stream = stream or sys.stderr
        self._is_terminal = self._stream.isatty()
        self._period_s = _TERMINAL_PERIOD_S if self._is_terminal else _LOG_PERIOD_S
        self._done = 0
        self._note = ""

    def __enter__(self) -> Progress:
        self._start = time.monotonic()
        # In a log the first line waits a period, so that short work prints one line, not two.
        self._last_drawn = self._start - (self._period_s if self._is_terminal else 0.0)
        return self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Count `steps` more; `note` is shown at the end of the line."""
        self._done += steps
        self._note = note
        now = time.monotonic()
        if now - self._last_drawn >= self._period_s and self._done < self._total:
            self._last_drawn = now
            self._draw(now)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._draw(time.monotonic())
        if self._is_terminal:
            self._stream.write("\n")
            self._stream.flush()

    def _draw(self, now: float) -> None:
        elapsed_s = now - self._start
        text = f"{self._label}  {self._done}/{self._total}  {elapsed_s:.0f} s"
        if 0 < self._done < self._total:
            text += f", {elapsed_s / self._done * (self._total - self._done):.0f} s left"
        if self._note:
            text += f"  {self._note}"
        self._stream.write(f"\r\x1b[2K{text}" if self._is_terminal else f"{text}\n")
        self._stream.flush()


def track(items: Iterable[T], label: str, total: int) -> Iterator[T]:
    """Yield `items`, showing progress under `label`."""
    with Progress(label, total) as progress:
        for item in items:
            yield item
            progress.advance()
