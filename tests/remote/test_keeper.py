"""What keeps a run on a board: one at a time, found again, and ended when nobody asks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from calexnet.remote.keeper import BUSY, GONE, MODULE

#: Commands, as words after ``python -Im``.
SLEEP = [["timeit", "-n1", "-r1", "import time; time.sleep(60)"]]
FAIL = ["timeit", "-n1", "-r1", "1 / 0"]


def keeper(*words: str, pulse: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-Im", MODULE, *words],
        input=pulse,
        capture_output=True,
        text=True,
        timeout=30,
    )


def started(folder: Path, commands: list[list[str]], patience_s: float = 60.0) -> int:
    return keeper("start", str(folder), str(patience_s), json.dumps(commands)).returncode


def ended(folder: Path) -> str:
    end = time.monotonic() + 20
    while not (folder / "code").exists():
        assert time.monotonic() < end
        time.sleep(0.05)
    return (folder / "code").read_text()


def say(word: str) -> list[str]:
    return ["timeit", "-n1", "-r1", f"print({word!r})"]


def test_it_runs_one_command_after_the_other_until_one_fails(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert 0 == started(run, [say("one"), FAIL, say("three")])

    assert "1" == ended(run)
    done = keeper("attach", str(run))
    assert (1, "one") == (done.returncode, done.stdout.splitlines()[0])
    assert "ZeroDivisionError" in done.stderr
    assert "three" not in done.stdout


def test_an_ended_run_is_found_and_not_begun_anew(tmp_path: Path) -> None:
    run = tmp_path / "run"
    started(run, [FAIL])
    ended(run)

    assert 0 == started(run, [say("another")])
    done = keeper("attach", str(run))
    assert (1, "") == (done.returncode, done.stdout)


def test_nobody_asks_after_it_and_it_ends(tmp_path: Path) -> None:
    run = tmp_path / "run"
    started(run, SLEEP, patience_s=0.5)
    assert 0 == started(run, SLEEP), "it is this one that is going on"
    assert BUSY == started(tmp_path / "other", SLEEP)
    assert 0 == keeper("attach", str(run)).returncode, "no pulse, nobody there"

    assert "abandoned" == ended(run)
    assert GONE == keeper("attach", str(run)).returncode
    time.sleep(0.2)
    assert 0 == started(run, [say("anew")]), "the same command begins it anew"
    assert "0" == ended(run)


def test_a_keeper_that_was_killed_is_told(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("out", "err", "contact"):
        (run / name).touch()

    assert GONE == keeper("attach", str(run), pulse="\n").returncode
