"""How a command ends: its exit code, and one clear message if it failed; never a traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from calexnet.errors import CalexnetError

INTERRUPTED = 130


def run(program: str, command: Callable[[], int]) -> int:
    """Run `command` and return the exit code for the shell.

    A termination request ends a command the way Ctrl-C does, so that nothing stays half written.
    """
    try:
        with _termination_as_interrupt():
            code = command()
            sys.stdout.flush()  # here, where a reader that has gone is no error
            return code
    except CalexnetError as error:
        print(f"{program}: error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print(f"\n{program}: stopped; nothing was left half written", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone; keep Python from complaining as it closes it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


@contextlib.contextmanager
def _termination_as_interrupt() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set a handler
        return
    earlier = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
