"""How a command ends."""

# The expected value comes first in every comparison.
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from calexnet.cli import outcome
from calexnet.errors import (
    BundleError,
    CalexnetError,
    DeviceError,
    InputError,
    MeasurementError,
    ParityError,
    RuntimeUnavailableError,
    StorageError,
)


def raising(problem: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise problem

    return command


@pytest.mark.parametrize("code", [0, 1])
def test_a_commands_own_code_is_passed_on(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert code == outcome.run("tool", lambda: code)
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (ParityError, 1),
        (CalexnetError, 2),
        (InputError, 2),
        (BundleError, 2),
        (StorageError, 2),
        (MeasurementError, 3),
        (RuntimeUnavailableError, 4),
        (DeviceError, 4),
    ],
)
def test_our_own_errors_are_one_line_and_a_code(
    kind: type[CalexnetError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code == outcome.run("tool", raising(kind("it broke", got=3, fix="Mend it")))

    assert ("", "tool: error: it broke: got 3. Mend it.\n") == capsys.readouterr()


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError):
        outcome.run("tool", lambda: 1 // 0)


def terminate() -> int:
    os.kill(os.getpid(), signal.SIGTERM)
    raise AssertionError("the signal came too late")


@pytest.mark.parametrize("command", [raising(KeyboardInterrupt()), terminate])
def test_a_termination_request_is_an_interrupt(
    command: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 130 == outcome.run("tool", command)

    assert ("", "\ntool: stopped; nothing was left half written\n") == capsys.readouterr()


def test_a_program_that_calls_a_command_keeps_its_own_signal_handler() -> None:
    def mine(number: int, frame: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGTERM, mine)
    try:
        outcome.run("tool", lambda: 0)
        outcome.run("tool", raising(InputError("it broke")))

        assert mine is signal.getsignal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_command_may_run_in_any_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        assert 5 == pool.submit(outcome.run, "tool", lambda: 5).result()


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_has_gone_is_no_error(lines: int, tmp_path: Path) -> None:
    """As in ``calexnet predict ... | head -1``; whether or not the output fits a buffer."""
    script = tmp_path / "tool.py"
    script.write_text(
        "import sys\n"
        "from calexnet.cli import outcome\n"
        f"sys.exit(outcome.run('tool', lambda: print('line\\n' * {lines}) or 0))\n"
    )
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-I", str(script)], stdout=gone, stderr=subprocess.PIPE, text=True
        )

    assert (0, "") == (done.returncode, done.stderr)
