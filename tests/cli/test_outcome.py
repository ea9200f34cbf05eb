"""How a command ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
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


def test_a_warning_is_one_line_without_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        warnings.warn("nobody\nleaves early", stacklevel=1)
        return 0

    assert 0 == outcome.run("tool", command)
    assert ("", "tool: warning: nobody leaves early\n") == capsys.readouterr()


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


@pytest.mark.parametrize("debug", ["0", "1"])
def test_a_fault_of_ours_has_an_exit_code_of_its_own_and_says_where(
    debug: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALEXNET_DEBUG", debug)

    assert 70 == outcome.run("tool", lambda: 1 // 0)

    said = capsys.readouterr().err
    assert said[said.index("tool: ") :].startswith(
        "tool: a fault of calexnet, not of yours: got ZeroDivisionError: integer division or "
        "modulo by zero (test_outcome.py:"
    )
    assert (debug == "1") == ("Traceback" in said)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (OSError(36, "File name too long", "a" * 999), "the system refused aaaaaaa"),
        (
            PermissionError(13, "Permission denied", "/x"),
            "the system refused /x: Permission denied",
        ),
        (MemoryError(), "there is not enough memory"),
    ],
)
def test_what_the_system_refuses_is_one_message(
    problem: Exception, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == outcome.run("tool", raising(problem))

    said = capsys.readouterr().err
    assert said[said.index("tool: ") :].startswith(f"tool: error: {message}")
    assert 1 == said.count("\n")
    assert len(said) <= 420


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


COMMANDS = {
    "calexnet": "from calexnet.cli import main",
    "calexnet-export": "from calexnet.cli.export import main",
    "calexnet-bench": "from calexnet.cli.bench import main",
}


def shell(command: str, words: str, *, python: str = "-I") -> subprocess.CompletedProcess[str]:
    """Run a command of ours in a shell, with redirections among its words."""
    code = f"import sys; {COMMANDS[command]}; sys.argv[0] = '{command}'; sys.exit(main())"
    return subprocess.run(
        f'"{sys.executable}" {python} -c "{code}" {words}',
        shell=True,
        capture_output=True,
        text=True,
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("calexnet", "--version"),
        ("calexnet", "doctor"),
        ("calexnet-export", "--help"),
        ("calexnet-bench", "--help"),
    ],
)
def test_a_full_output_is_one_line_and_a_code(command: str, words: str) -> None:
    done = shell(command, f"{words} > /dev/full")

    (line,) = done.stderr.splitlines()
    assert 2 == done.returncode
    assert line.endswith(
        "error: the answer cannot be written: got No space left on device. Send it elsewhere."
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_answer_longer_than_a_buffer_meets_a_full_output_too(tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(
        "import sys\nfrom calexnet.cli import outcome\n"
        "sys.exit(outcome.run('tool', lambda: print('line\\n' * 100_000) or 0))\n"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-I", str(script)], stdout=full, stderr=subprocess.PIPE, text=True
        )

    assert 2 == done.returncode
    assert "tool: error: the system refused: No space left on device\n" == done.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_outputs_change_no_code(closed: str) -> None:
    done = shell("calexnet", f"doctor {closed}")

    assert (0, "") == (done.returncode, done.stderr)


def test_a_terminal_without_our_letters_is_written_to(tmp_path: Path) -> None:
    script = tmp_path / "tool.py"
    script.write_text(
        "import sys\nfrom calexnet.cli import outcome\n"
        "sys.exit(outcome.run('tool', lambda: print('\\u00b0C \\u65e5') or 0))\n",
        "utf-8",
    )
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )

    assert (0, "\\xb0C \\u65e5\n") == (done.returncode, done.stdout)


def test_what_the_system_refuses_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> int:
        return int(Path("/nowhere/at/all").read_text("utf-8"))

    assert 2 == outcome.run("tool", command)

    told = "tool: error: the system refused /nowhere/at/all: No such file or directory\n"
    assert ("", told) == capsys.readouterr()
