"""How a command ends: its exit code, and one clear message if it failed; never a traceback."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

from calexnet.errors import CalexnetError, InputError, StorageError

INTERRUPTED, FAULT = 130, 70
_UNKNOWN_LETTERS = "backslashreplace"


def parsed(parser: argparse.ArgumentParser, words: Sequence[str] | None) -> argparse.Namespace:
    """Return what the words of a command line mean; help and version end as commands do."""
    _prepare_output()
    try:
        return parser.parse_args(words)
    except SystemExit as ended:
        code = int(ended.code or 0)
        raise SystemExit(run(parser.prog, lambda: code)) from None


def run(program: str, command: Callable[[], int]) -> int:
    """Run `command` and return the exit code for the shell.

    A termination request ends a command the way Ctrl-C does, so that nothing stays half written.
    """
    _prepare_output()
    try:
        with _termination_as_interrupt(), _warnings_as_lines(program):
            code = command()
            _deliver()
            return code
    except CalexnetError as error:
        return _failed(f"{program}: error: {error}", error.exit_code)
    except KeyboardInterrupt as stop:  # who keeps something for the next time says so in it
        left = str(stop) or "nothing was left half written"
        return _failed(f"\n{program}: stopped; {left}", INTERRUPTED)
    except BrokenPipeError:
        _drop_output()  # whoever read it has gone
        return 0
    except OSError as refused:
        where = f" {refused.filename}" if refused.filename is not None else ""
        told = InputError(f"the system refused{where}: {refused.strerror or refused}")
        return _failed(f"{program}: error: {told}", told.exit_code)
    except MemoryError as refused:
        told = InputError("there is not enough memory", got=str(refused) or None)
        return _failed(f"{program}: error: {told}", told.exit_code)
    except Exception as fault:  # an exit code of its own: Python's would be that of a gate
        if os.environ.get("CALEXNET_DEBUG", "0") != "0":
            traceback.print_exception(fault)
        return _failed(f"{program}: {_told(fault)}", FAULT)


def _told(fault: Exception) -> CalexnetError:
    """Return what is to be told of an error that nobody foresaw."""
    last = traceback.extract_tb(fault.__traceback__)[-1]
    return CalexnetError(
        "a fault of calexnet, not of yours",
        got=f"{type(fault).__name__}: {fault} ({Path(last.filename).name}:{last.lineno})",
        fix="Please report it with the output of the same command with CALEXNET_DEBUG=1",
    )


def _prepare_output() -> None:
    """Let a command print in any terminal: one without our letters, or none at all."""
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != _UNKNOWN_LETTERS:
            stream.reconfigure(errors=_UNKNOWN_LETTERS)


def _deliver() -> None:
    """Have the answer written now, where a full disk can still be told."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as refused:
        raise StorageError(
            "the answer cannot be written", got=refused.strerror, fix="Send it elsewhere"
        ) from refused


def _failed(told: str, code: int) -> int:
    with contextlib.suppress(OSError):
        print(told, file=sys.stderr)
    try:
        sys.stdout.flush()
    except OSError:
        _drop_output()
    return code


def _drop_output() -> None:
    """Keep Python from complaining as it closes an output that nothing can be written to."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


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


@contextlib.contextmanager
def _warnings_as_lines(program: str) -> Iterator[None]:
    """Let a warning be one line of the command's, without the source line that it came from."""
    earlier = warnings.showwarning

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is UserWarning:
            print(f"{program}: warning: {' '.join(str(message).split())}", file=sys.stderr)
        else:
            earlier(message, category, filename, lineno, file, line)

    warnings.showwarning = show
    try:
        yield
    finally:
        warnings.showwarning = earlier


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
