"""An external meter's log: forms of time, the fit to the run, and what cannot be used."""

from __future__ import annotations

import time as wall
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calexnet.devices.energy import EnergyReading
from calexnet.devices.power_csv import PowerCsv, Run, best_shift
from calexnet.errors import InputError
from tests.support.synthetic_power import SyntheticTime

IDLE_W, BUSY_W = 3.0, 11.0


def log(path: Path, rows: Sequence[tuple[object, float]], heading: str = "time,watts") -> Path:
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


BUSY = [(1002.0, 1004.0), (1005.0, 1007.0)]


def told(path: Path, rows: Sequence[tuple[object, float]]) -> EnergyReading:
    """Return what a log says of the first of two works in a run of nine seconds from 1000 on."""
    time = SyntheticTime(IDLE_W)
    recording = PowerCsv(path).start(time)
    time.sleep(9.0)
    recording.stop()
    log(path, rows)
    return recording.trace(BUSY).energy(*BUSY[0])


def busy(moment_s: float) -> bool:
    return any(first <= moment_s <= last for first, last in BUSY)


def moments() -> list[float]:
    """Return when a meter at 20 Hz is read, a second of margin around the run."""
    return np.arange(999.0, 1010.0, 0.05).tolist()


Watts = Callable[[float], float]


@pytest.mark.parametrize("unix", [True, False])
@pytest.mark.parametrize(
    ("watts", "problem"),
    [
        (lambda t: 5.0, "s of log from 5 to 5 W beside a run of 9 s"),
        (lambda t: 0.0, "work and rest do not show"),
        (lambda t: 5.0 + 2 * (t < 1003.7), "work and rest do not show"),  # something else
    ],
)
def test_a_log_that_does_not_show_the_run_is_refused_on_any_clock(
    tmp_path: Path, watts: Watts, problem: str, unix: bool
) -> None:
    offset_s = wall.time() - 1000.0 if unix else 0.0

    found = told(tmp_path / "m.csv", [(t + offset_s, watts(t)) for t in moments()])

    assert found.joules is None
    assert "power CSV: m.csv: work and rest do not show: " in (found.reason or "")
    assert problem in (found.reason or "")


@pytest.mark.parametrize("sign", [(7.0, -2.0), (-5.0, -2.0)])
def test_watts_that_fall_with_work_are_refused(tmp_path: Path, sign: tuple[float, float]) -> None:
    """By a clock that is set: moved by half a turn, they would fit."""
    rest_w, more_w = sign
    offset_s = wall.time() - 1000.0
    rows = [(t + offset_s, rest_w + more_w * busy(t)) for t in moments()]

    found = told(tmp_path / "m.csv", rows)

    assert found.joules is None
    assert "the watts fall where the run works" in (found.reason or "")


@pytest.mark.parametrize("unix", [True, False])
@pytest.mark.parametrize("period_s", [0.05, 0.5])
def test_noise_does_not_pass_for_the_run(tmp_path: Path, period_s: float, unix: bool) -> None:
    offset_s = wall.time() - 1000.0 if unix else 0.0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        times = np.arange(990.0, 1020.0, period_s)
        rows = [(t + offset_s, w) for t, w in zip(times, 5 + rng.random(len(times)), strict=True)]

        found = told(tmp_path / "m.csv", rows)

        assert found.joules is None, seed
        assert "work and rest do not show" in (found.reason or "")


@given(noise=st.floats(0, 0.5), late_s=st.floats(-4, 4), seed=st.integers(0, 99))
@settings(max_examples=10, deadline=None)
def test_a_noisy_log_of_the_run_is_moved_back(noise: float, late_s: float, seed: int) -> None:
    """2 W more at work, under noise of a quarter of that."""
    times = np.arange(980.0, 1030.0, 0.05)
    watts = np.array([5.0 + 2 * busy(t) for t in times])
    watts += noise * np.random.default_rng(seed).standard_normal(len(times))
    run = Run(tuple(BUSY), ((1000.0, 1002.0), (1004.0, 1005.0), (1007.0, 1009.0)))

    found = best_shift(times + late_s, watts, run, -5.0, 5.0)

    assert found.shows
    assert pytest.approx(-late_s, abs=0.2) == found.shift_s


def test_what_is_neither_work_nor_rest_says_nothing(tmp_path: Path) -> None:
    """Work ahead of each window is no rest: the pauses between windows are left out."""
    times = np.arange(980.0, 1080.0, 1.0)
    watts = np.where((times >= 1000) & (times <= 1050), 9.0, 3.0)
    windows = tuple((1000.0 + 10 * i + 3, 1000.0 + 10 * i + 10) for i in range(5))

    found = best_shift(times, watts, Run(windows, ((985.0, 999.0), (1051.0, 1065.0))), -5.0, 5.0)

    assert pytest.approx(1.0) == found.correlation
    assert found.shows


@pytest.mark.parametrize(
    ("moved_s", "problem"),
    [(-3600.0, "it ends 3590 s before it"), (7200.0, "it begins 7190 s after it")],
)
def test_a_log_beside_the_run_says_so(tmp_path: Path, moved_s: float, problem: str) -> None:
    offset_s = wall.time() - 1000.0 + moved_s
    rows = [(t + offset_s, 5.0 + 2 * busy(t)) for t in moments()]

    found = told(tmp_path / "m.csv", rows)

    assert found.joules is None
    assert f"m.csv: it does not overlap the run, {problem}; a time without" in (found.reason or "")


def test_a_correlation_by_hand() -> None:
    """Rest 1, 3; work 5, 7 (and as many again): means 2 and 6, variances 1 and 1.

    Half the difference 2, so 2 / sqrt(4 + 1); errors 4 / sqrt(1 / 4 + 1 / 4).
    """
    times = np.arange(8.0)
    watts = np.array([1.0, 3.0, 5.0, 7.0, 5.0, 7.0, 1.0, 3.0])
    run = Run(((1.9, 5.1),), ((-0.1, 1.1), (5.9, 7.1)))

    found = best_shift(times, watts, run, 0.0, 0.0)

    assert 0.0 == found.shift_s
    assert pytest.approx(2 / np.sqrt(5) * (3.2 + 1.1 + 1.1) / 5.6) == found.correlation
    assert pytest.approx(4 / np.sqrt(0.5)) == found.errors


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


def test_the_best_shift_is_found_by_hand() -> None:
    times_s = np.arange(0.0, 60.0, 0.5)
    watts = np.where((times_s >= 20) & (times_s < 30), 9.0, 1.0)

    run = Run(((123.0, 133.0),), ((110.0, 122.5), (133.5, 150.0)))
    found = best_shift(times_s, watts, run, 90.0, 110.0)

    assert pytest.approx(103.0, abs=0.5) == found.shift_s
    assert found.correlation > 0.95


def test_a_log_that_has_just_begun_does_not_stop_a_run_and_a_wrong_heading_does(
    tmp_path: Path,
) -> None:
    log(tmp_path / "begun.csv", [], "time,W")
    log(tmp_path / "wrong.csv", [], "time,power")

    assert 1.0 == PowerCsv(tmp_path / "begun.csv").record.period_s
    with pytest.raises(InputError, match="the heading 'power', which names no unit"):
        PowerCsv(tmp_path / "wrong.csv")
