"""The errors a user can meet: one class a kind, one message form.

Every message says what is wrong, what was got, what was expected and what to do next. The command
line prints the message alone and leaves with the class's exit code.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Mapping
from typing import ClassVar

#: Characters of a message; a longer one is cut where it says least, and never the next step of one.
MOST_CHARACTERS = 400


class CalexnetError(Exception):
    """Base of every error that calexnet raises on purpose.

    Args:
        what: The complaint, without a final stop.
        got: What was found, shown as it is.
        expected: What would have been accepted.
        fix: The next step, as an imperative sentence without a final stop.
    """

    exit_code: ClassVar[int] = 2

    def __init__(
        self,
        what: str,
        *,
        got: object = None,
        expected: str | None = None,
        fix: str | None = None,
    ) -> None:
        said = {"got": got, "expected": expected, "what": what, "fix": fix}
        parts = {name: _one_line(text) for name, text in said.items() if text is not None}
        for name in parts:  # in this order they are cut
            excess = len(_message(parts)) - MOST_CHARACTERS
            if excess > 0:
                parts[name] = _cut(parts[name], max(_LEAST[name], len(parts[name]) - excess))
        super().__init__(_message(parts))


#: What is left of a part of a message that is cut. A command that is cut is no next step.
_LEAST = {"got": 40, "expected": 40, "what": 100, "fix": MOST_CHARACTERS}


def _message(parts: Mapping[str, str]) -> str:
    details = [f"{name} {parts[name]}" for name in ("got", "expected") if name in parts]
    message = parts["what"] + (": " + "; ".join(details) if details else "")
    return message + (f". {parts['fix']}." if "fix" in parts else "")


def _one_line(text: object) -> str:
    """Return `text` without line breaks, and with signs that a terminal would obey spelled out."""
    words = " ".join(str(text).split("\n")).strip()
    if words.isprintable():
        return words
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in words)


def _cut(text: str, most: int) -> str:
    """Return `text` without its middle: what matters in others' messages often comes last."""
    if len(text) <= most:
        return text
    head = (most - 3) // 3
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"


class InputError(CalexnetError, ValueError):
    """An argument, data set or batch that cannot be used as it is."""


class BundleError(CalexnetError, ValueError):
    """A bundle that is damaged, altered or of another schema."""


class CheckpointError(CalexnetError, ValueError):
    """A run folder that cannot be read back."""


class TrainingError(CalexnetError, ArithmeticError):
    """Training that cannot go on, for example because the loss is not finite."""


class ExportError(CalexnetError, ValueError):
    """A cascade that cannot be cut or compiled."""


class ParityError(ExportError):
    """Compiled graphs that do not compute what the cascade computes."""

    exit_code = 1


class StorageError(CalexnetError, OSError):
    """A folder or file that cannot be written."""


class RuntimeUnavailableError(CalexnetError, RuntimeError):
    """A runtime or package that is not installed or cannot work here."""

    exit_code = 4


class EngineError(CalexnetError, RuntimeError):
    """A runtime that refused a graph or failed while running it."""


class DeviceError(CalexnetError, RuntimeError):
    """A device that is unknown or is not this machine."""

    exit_code = 4


class MeasurementError(CalexnetError, RuntimeError):
    """A measurement that cannot be made or cannot be trusted."""

    exit_code = 3


def first_line(problem: BaseException) -> str:
    """Return the first line of what another library says; its kind, if it says nothing."""
    said = str(problem).strip()
    return said.splitlines()[0] if said else repr(problem)


def raised(problem: BaseException) -> str:
    """Return what somebody's code raised: its kind, first line, and the line of theirs it met.

    A line is theirs if it is in no installed package, nor in Python, nor here.
    """
    said = f"{type(problem).__name__}: {first_line(problem)}" if str(problem).strip() else ""
    frames = [
        frame
        for frame, (raw, _) in zip(
            traceback.extract_tb(problem.__traceback__),
            traceback.walk_tb(problem.__traceback__),
            strict=True,
        )
        if _is_own(raw.f_globals.get("__name__", ""), frame.filename)
    ]
    where = [
        f"{frame.filename.rpartition('/')[2]}, line {frame.lineno}: {frame.line}"
        for frame in frames
    ]
    return (said or type(problem).__name__) + "".join(f" ({place})" for place in where[-1:])


def root_cause(problem: BaseException) -> BaseException:
    """Return what an exception was raised from, at the bottom: the rest is wrapping."""
    while problem.__cause__ is not None:
        problem = problem.__cause__
    return problem


def _is_own(module: str, file: str) -> bool:
    top = module.partition(".")[0]
    installed = "site-packages" in file or "dist-packages" in file or file.startswith("<")
    return not installed and top != "calexnet" and top not in sys.stdlib_module_names
