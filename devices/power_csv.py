"""An external meter's log as an energy source: a CSV file of time and watts, read after the run.

The time is in Unix seconds (or milliseconds), ISO 8601, or seconds on the meter's own clock. Work
and pauses of the run show in the watts, so the log is moved to where they fit it best.
"""

from __future__ import annotations

import csv
import math
import time as wall
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np

from calexnet.devices.energy import (
    EnergySource,
    Floats,
    Recording,
    RecordingCost,
    SourceRecord,
    Trace,
)
from calexnet.devices.pacing import Time
from calexnet.errors import InputError

NAME = "power CSV"
_USUAL_PERIOD_S = 1.0
#: A clock that is set is trusted to so many seconds; a meter's own may have started at any time.
_CLOCK_ERROR_S = 5.0
_UNIX_S, _UNIX_MS = 1e9, 1e12
#: Below this correlation the run does not show in the log.
_LEAST_FIT = 0.5
_STEPS = 4000


class PowerCsv(EnergySource):
    """The log of a meter at the device's supply, complete when the run ends."""

    def __init__(self, path: Path) -> None:
        self._path = path
        period_s = _USUAL_PERIOD_S
        if path.exists():
            times_s, _ = read_log(path)
            period_s = _period_s(times_s)
        self.record = SourceRecord(
            name=NAME,
            kind="power",
            period_s=period_s,
            tick_s=period_s,
            covers=f"whatever the external meter of {path.name} sits in front of",
            rails=(path.name,),
        )

    def start(self, time: Time) -> Recording:
        """Note how the wall clock and the run's clock stand to each other."""
        return _CsvRecording(self._path, self.record, time)


class _CsvRecording(Recording):
    def __init__(self, path: Path, record: SourceRecord, time: Time) -> None:
        self._path, self._record, self._time = path, record, time
        self._wall_offset_s = wall.time() - time.now()
        self._span_s = [time.now(), math.inf]

    def edge(self) -> float:
        return self._time.now()

    def stop(self) -> None:
        self._span_s[1] = self._time.now()

    def cost(self) -> RecordingCost:
        """Return nothing: the meter is another machine's work."""
        return RecordingCost(0, 0.0, 0.0)

    def trace(self, busy: Sequence[tuple[float, float]]) -> Trace:
        try:
            times_s, watts = read_log(self._path)
        except InputError as problem:
            return self._nothing(str(problem))
        record = replace(self._record, period_s=_period_s(times_s), tick_s=_period_s(times_s))
        is_set = times_s[0] > _UNIX_S
        start_s = self._wall_offset_s if is_set else times_s[0] - self._span_s[0]
        times_s = times_s - start_s
        lowest, highest = -_CLOCK_ERROR_S, _CLOCK_ERROR_S
        if not is_set:
            lowest = min(0.0, self._span_s[1] - times_s[-1])
            highest = max(0.0, self._span_s[1] - times_s[-1])
        shift_s, fit = best_shift(times_s, watts, busy, lowest, highest)
        if fit < _LEAST_FIT:
            if not is_set:
                return self._nothing(
                    f"work and pauses do not show in {self._path.name}, so its own clock could not "
                    "be matched; log Unix seconds instead"
                )
            shift_s = 0.0
        covers = f"{record.covers}; log moved by {shift_s:+.2f} s to fit the run"
        return Trace(replace(record, covers=covers), times_s + shift_s, watts)

    def _nothing(self, reason: str) -> Trace:
        nothing = np.empty(0)
        return Trace(self._record, nothing, nothing, unusable=reason)


def read_log(path: Path) -> tuple[Floats, Floats]:
    """Return the moments, rising, and the watts of a meter's log.

    Raises:
        InputError: The file cannot be used.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row and not row[0].startswith("#")]
    except (OSError, UnicodeDecodeError, csv.Error) as problem:
        raise _unusable(path, problem) from problem
    found = []
    for number, row in enumerate(rows):
        try:
            found.append((_seconds(row[0]), float(row[1])))
        except (ValueError, IndexError) as problem:
            if number:  # the first row may be a heading
                raise _unusable(path, f"row {number + 1}: {','.join(row)}") from problem
    times_s, watts = np.array(found, dtype=np.float64).reshape(-1, 2).T
    if len(times_s) < 2 or not np.isfinite(watts).all() or not (np.diff(times_s) > 0).all():
        raise _unusable(path, f"{len(times_s)} readings, or times that do not rise")
    return (times_s / 1e3 if times_s[0] > _UNIX_MS else times_s), watts


def best_shift(
    times_s: Floats,
    watts: Floats,
    busy: Sequence[tuple[float, float]],
    lowest_s: float,
    highest_s: float,
) -> tuple[float, float]:
    """Return the shift of a log that fits the run best, and how well: a correlation, 1 = exactly.

    Args:
        times_s: The log's moments.
        watts: The log's readings.
        busy: From when to when the device worked.
        lowest_s: The least shift to try.
        highest_s: The largest.
    """
    best = (0.0, -1.0)
    width_s = highest_s - lowest_s
    middle_s = (lowest_s + highest_s) / 2
    for _ in range(2):  # first coarsely, then around the best
        steps = min(_STEPS, max(3, math.ceil(width_s / 0.01)))
        for shift_s in middle_s + np.linspace(-0.5, 0.5, steps) * width_s:
            fit = _fit(times_s + shift_s, watts, busy)
            # Of equals the one that moves the log least.
            if (round(fit, 9), -abs(shift_s)) > (round(best[1], 9), -abs(best[0])):
                best = (float(shift_s), fit)
        middle_s, width_s = best[0], 4 * width_s / steps
    return best


def _fit(times_s: Floats, watts: Floats, busy: Sequence[tuple[float, float]]) -> float:
    """Return how well watts go with work, over the run and a little around it."""
    if not busy:
        return -1.0
    edges = np.array(busy)
    margin_s = 2.0
    inside = (times_s >= edges[0, 0] - margin_s) & (times_s <= edges[-1, 1] + margin_s)
    moments = times_s[inside]
    at = np.searchsorted(edges[:, 0], moments, side="right") - 1
    working = (at >= 0) & (moments <= edges[np.maximum(at, 0), 1])
    if len(moments) < 3 or working.all() or not working.any() or np.ptp(watts[inside]) == 0:
        return -1.0
    covered = min(1.0, (moments[-1] - moments[0]) / (edges[-1, 1] - edges[0, 0]))
    return float(np.corrcoef(working, watts[inside])[0, 1] * covered)


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text.strip().replace("Z", "+00:00")).timestamp()


def _period_s(times_s: Floats) -> float:
    return float(np.median(np.diff(times_s)))


def _unusable(path: Path, problem: object) -> InputError:
    return InputError(
        f"{path} cannot be used as a meter's log",
        got=problem,
        expected="rows of time and watts, the time rising",
    )
