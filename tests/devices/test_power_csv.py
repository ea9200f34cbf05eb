"""An external meter's log: forms of time, the fit to the run, and what cannot be used."""

# The expected value comes first in every comparison.
from __future__ import annotations

import time as wall
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest

from calexnet.devices.energy import EnergyReading
from calexnet.devices.power_csv import PowerCsv, best_shift, read_log
from calexnet.errors import InputError
from tests.synthetic_power import SyntheticTime

IDLE_W, BUSY_W = 3.0, 11.0


def log(path: Path, rows: list[tuple[object, float]], heading: str = "time,watts") -> Path:
    path.write_text("\n".join([heading, *(f"{t},{w}" for t, w in rows)]) + "\n")
    return path


def run(
    path: Path,
    stamp: Callable[[float], object],
    monkeypatch: pytest.MonkeyPatch,
    period_s: float = 0.1,
) -> tuple[EnergyReading, str, float]:
    """Let a meter log a run: idle, work, idle, work, idle; return what the works come to."""
    time = SyntheticTime(IDLE_W)
    rows: list[tuple[object, float]] = []
    offset_s = STARTED_S - time.now()
    monkeypatch.setattr("calexnet.devices.power_csv.wall.time", lambda: time.now() + offset_s)

    def write_row() -> float:
        rows.append((stamp(time.now() + offset_s), time.watts()))
        return period_s

    pulse = time.start(write_row)
    time.sleep(4.0)
    recording = PowerCsv(path).start(time)
    time.sleep(3.0)
    windows = []
    for seconds in (8.0, 5.0):
        start_s = recording.edge()
        time.work(seconds, BUSY_W)
        windows.append((start_s, recording.edge()))
        time.sleep(3.0)
    recording.stop()
    time.sleep(6.0)
    pulse.stop(0.0)
    log(path, rows)
    trace = recording.trace(windows)
    return trace.energy(*windows[0]), trace.source.covers, trace.source.period_s


STARTED_S = 1.7e9


@pytest.mark.parametrize(
    ("stamp", "moved_s"),
    [
        (lambda t: f"{t:.3f}", 0.0),
        (lambda t: f"{t * 1e3:.0f}", 0.0),
        (lambda t: datetime.fromtimestamp(t, timezone.utc).isoformat(), 0.0),
        (lambda t: f"{t + 1.7:.3f}", -1.7),  # the logger's clock is ahead
        (lambda t: f"{t - STARTED_S:.3f}", None),  # the meter counts from its own start
        (lambda t: f"{t - STARTED_S + 5000:.3f}", None),
    ],
)
def test_a_log_is_brought_to_the_run_whatever_its_clock(
    tmp_path: Path,
    stamp: Callable[[float], object],
    moved_s: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, covers, period_s = run(tmp_path / "meter.csv", stamp, monkeypatch)

    assert None is found.reason
    assert pytest.approx(8.0 * BUSY_W, rel=0.03) == found.joules
    assert "the external meter of meter.csv" in covers
    assert pytest.approx(0.1, rel=0.05) == period_s
    if moved_s is not None:
        moved = float(covers.partition("log moved by ")[2].split()[0])
        assert pytest.approx(moved_s, abs=0.15) == moved


def test_a_log_that_ends_too_early_gives_none_with_the_reason(tmp_path: Path) -> None:
    time = SyntheticTime(IDLE_W)
    now_s = wall.time()
    path = log(tmp_path / "m.csv", [(now_s - 60 + i, IDLE_W) for i in range(60)])
    recording = PowerCsv(path).start(time)
    time.sleep(20.0)
    start_s = recording.edge()
    time.sleep(20.0)
    end_s = recording.edge()
    recording.stop()

    found = recording.trace([(start_s, end_s)]).energy(start_s, end_s)

    assert found.joules is None
    assert "no reading for" in (found.reason or "")


def test_a_log_without_the_run_in_it_gives_none_with_the_reason(tmp_path: Path) -> None:
    """The meter's own clock, and a constant power: nothing to match."""
    path = log(tmp_path / "m.csv", [(i, IDLE_W) for i in range(100)])
    time = SyntheticTime(IDLE_W)
    recording = PowerCsv(path).start(time)
    time.sleep(30.0)
    recording.stop()

    found = recording.trace([(1010.0, 1020.0)]).energy(1010.0, 1020.0)

    assert found.joules is None
    assert "work and pauses do not show in m.csv" in (found.reason or "")
    assert "log Unix seconds instead" in (found.reason or "")


def test_a_log_that_is_never_written_gives_none_with_the_reason(tmp_path: Path) -> None:
    time = SyntheticTime(IDLE_W)
    recording = PowerCsv(tmp_path / "late.csv").start(time)
    time.sleep(5.0)
    recording.stop()

    found = recording.trace([(1001.0, 1002.0)]).energy(1001.0, 1002.0)

    assert found.joules is None
    assert "late.csv cannot be used as a meter's log: got [Errno 2] No such file" in (
        found.reason or ""
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("time,watts\n1,2\n", "1 readings, or times that do not rise"),
        ("1,5\n1,5\n2,5\n", "3 readings, or times that do not rise"),
        ("1,5\n2,nan\n3,5\n", "3 readings, or times that do not rise"),
        ("1,5\n2,5\nthree,5\n", "row 3: three,5"),
        ("1,5\n2\n", "row 2: 2"),
    ],
)
def test_a_log_that_cannot_be_used_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "m.csv").write_text(text)

    with pytest.raises(InputError, match=f"m.csv cannot be used as a meter's log: got {problem}"):
        read_log(tmp_path / "m.csv")


def test_headings_remarks_and_a_byte_order_mark_are_no_readings(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("\ufefftime,watts\n# remark\n\n1,5\n2,6.5\n", "utf-8")

    times_s, watts = read_log(tmp_path / "m.csv")

    assert ([1.0, 2.0], [5.0, 6.5]) == (times_s.tolist(), watts.tolist())


def test_the_best_shift_is_found_by_hand() -> None:
    times_s = np.arange(0.0, 60.0, 0.5)
    watts = np.where((times_s >= 20) & (times_s < 30), 9.0, 1.0)

    shift_s, fit = best_shift(times_s, watts, [(123.0, 133.0)], 90.0, 110.0)

    assert pytest.approx(103.0, abs=0.5) == shift_s
    assert fit > 0.95
