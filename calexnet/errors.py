"""The errors a user can meet: one class a kind, one message form.

Every message says what is wrong, what was got, what was expected and what to do next. The command
line prints the message alone and leaves with the class's exit code.
"""

from __future__ import annotations

from typing import ClassVar


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
        details = []
        if got is not None:
            details.append(f"got {got}")
        if expected is not None:
            details.append(f"expected {expected}")
        message = what + (": " + "; ".join(details) if details else "")
        if fix is not None:
            message += f". {fix}."
        super().__init__(message)


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


def first_line(problem: Exception) -> str:
    """Return the first line of what another library says; its kind, if it says nothing."""
    said = str(problem).strip()
    return said.splitlines()[0] if said else repr(problem)
