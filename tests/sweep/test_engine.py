"""The engine on real processes: order, failures, deaths and stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from calexnet.errors import StorageError, TrainingError
from calexnet.sweep import engine, results
from calexnet.sweep.spec import CellSpec
from tests.support.sample_cells import axes, spec


def note(spec: CellSpec, folder: Path, *, ill: str = "", how: str = "raise") -> None:
    """Stand in for a training: leave a note of who did it; cell `ill` comes to a bad end."""
    if spec.axes.name == ill:
        if how == "raise":
            raise TrainingError("the loss is not finite (branch 1, epoch 2, step 3)")
        if how == "disk":
            raise StorageError("no room")
        os.kill(os.getpid(), signal.SIGKILL)
    (folder / f"{spec.axes.name}.json").write_text(f"{os.getpid()} {os.environ['OMP_NUM_THREADS']}")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers import this module, as they do the stand-in's place in an installed package."""
    monkeypatch.setattr(sys, "path", [*sys.path, str(Path(__file__).parents[2])])


SPECS = [spec(axes(seed=seed)) for seed in range(5)]


def notes(folder: Path) -> dict[str, str]:
    return {p.stem: p.read_text() for p in sorted(folder.glob("*.json")) if ".failed" not in p.name}


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_cell_runs_once_in_as_many_processes_as_asked_for(tmp_path: Path, jobs: int) -> None:
    failed = engine.run(SPECS, tmp_path, jobs, note)

    found = notes(tmp_path)
    assert () == failed
    assert [s.axes.name for s in SPECS] == list(found)
    processes, threads = zip(*(text.split() for text in found.values()), strict=True)
    assert len(set(processes)) <= jobs
    assert str(os.getpid()) not in processes
    assert {str(max(1, engine.cores() // jobs))} == set(threads)


def test_a_failed_cell_is_recorded_with_spec_and_step_and_the_others_kept(tmp_path: Path) -> None:
    failed = engine.run(SPECS, tmp_path, 2, partial(note, ill=SPECS[1].axes.name))

    assert 4 == len(notes(tmp_path))
    assert failed == results.failures(tmp_path)
    (one,) = failed
    assert SPECS[1] == one.spec
    assert ("TrainingError", "the loss is not finite (branch 1, epoch 2, step 3)") == (
        one.error,
        one.message,
    )


def test_a_worker_that_dies_takes_only_its_own_cell(tmp_path: Path) -> None:
    failed = engine.run(SPECS, tmp_path, 1, partial(note, ill=SPECS[1].axes.name, how="die"))

    assert 4 == len(notes(tmp_path))
    (one,) = failed
    assert SPECS[1] == one.spec
    assert "ended with code -9; -9 often means that memory ran out" in one.message


def test_a_full_disk_stops_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"stopped at method=calexnet.*seed=1: no room"):
        engine.run(SPECS, tmp_path, 1, partial(note, ill=SPECS[1].axes.name, how="disk"))

    assert SPECS[0].axes.name in notes(tmp_path)
    assert SPECS[4].axes.name not in notes(tmp_path)


def test_no_cells_are_no_work(tmp_path: Path) -> None:
    assert () == engine.run([], tmp_path, 2, note)


_SLOW = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from calexnet.cli import outcome
from calexnet.sweep import engine
from tests.sweep.test_engine import SPECS, slow
if __name__ == "__main__":
    folder = Path(sys.argv[2])
    sys.exit(outcome.run("sweep", lambda: len(engine.run(SPECS, folder, 2, slow))))
"""


def slow(spec: CellSpec, folder: Path) -> None:
    """Say that it begins, and take long over it."""
    (folder / f"{spec.axes.seed}.begun").write_text(str(os.getpid()))
    time.sleep(60)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_sweep_leaves_no_process_behind(tmp_path: Path, number: signal.Signals) -> None:
    root = Path(__file__).parents[2]
    (tmp_path / "slow.py").write_text(_SLOW)
    process = subprocess.Popen(
        [sys.executable, "-I", tmp_path / "slow.py", root, tmp_path],
        stderr=subprocess.PIPE,
        text=True,
        # A background job starts with SIGINT ignored, and hands that down.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    wait_until(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
    workers = [int(path.read_text()) for path in tmp_path.glob("*.begun")]

    process.send_signal(number)
    process.communicate()

    assert process.returncode == (130 if number != signal.SIGKILL else -signal.SIGKILL)
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))


def wait_until(holds: object) -> None:
    assert callable(holds)
    for _ in range(600):
        if holds():
            return
        time.sleep(0.1)
    raise AssertionError("it never came to that")
