"""The ``calexnet`` command as a whole."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from calexnet.cli import COMMANDS, main

COMMAND = [sys.executable, "-Ic", "import sys; from calexnet.cli import main; sys.exit(main())"]


def test_help_lists_the_commands_with_what_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])

    shown = " ".join(capsys.readouterr().out.split())
    assert 0 == caught.value.code
    assert {"train", "predict", "data"} <= set(COMMANDS)
    assert "predict Answer images with an exported cascade." in shown


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])

    assert (0, metadata.version("calexnet")) == (
        caught.value.code,
        capsys.readouterr().out.strip(),
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: command"),
        (["bake"], "argument command: invalid choice: 'bake'"),
        (["predict"], "the following arguments are required: bundle"),
        (["data", "digits"], "the following arguments are required: --out"),
    ],
)
def test_a_command_that_is_not_whole_is_refused(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)

    assert 2 == caught.value.code
    assert message in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["predict", "nowhere", "--data", "digits"], "predict: error: nowhere is not a bundle: go"),
        (["data", "nowhere", "--out", "a.npz"], "data: error: unknown data set: got 'nowhere'"),
    ],
)
def test_a_failure_in_a_shell_is_one_line_and_a_code(
    words: list[str], message: str, tmp_path: Path
) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, cwd=tmp_path)

    (line,) = done.stderr.splitlines()
    assert (2, "") == (done.returncode, done.stdout)
    assert line.startswith(f"calexnet {message}")
    assert [] == list(tmp_path.iterdir())


def test_the_package_runs_as_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-Im", "calexnet", "--version"], capture_output=True, text=True, check=True
    )

    assert metadata.version("calexnet") == done.stdout.strip()
