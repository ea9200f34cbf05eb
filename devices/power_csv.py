"""An external meter's log as an energy source, read after the run.

Work and rest of the run show in the watts, so the log is moved to where they fit it best. A log in
which they do not show is not this device's: it gives no joules, whatever its clock says.
"""

from __future__ import annotations

import math
import time as wall
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calexnet.devices.energy import (
    EnergySource,
    Floats,
    Recording,
    RecordingCost,
    SourceRecord,
    Span,
    Trace,
)
from calexnet.devices.pacing import Time
from calexnet.devices.power_log import UNIX_S, read_log
from calexnet.errors import InputError

NAME = "power CSV"
_USUAL_PERIOD_S = 1.0
#: A clock that is set is trusted to so many seconds; a meter's own may have started at any time.
_CLOCK_ERROR_S = 5.0
#: Below this correlation the run does not show in the log.
_LEAST_FIT = 0.5
#: Nor does it if work differs from rest by fewer standard errors: in noise the best of a thousand
#: shifts differs by three to four.
_LEAST_ERRORS = 5.0
#: Nor if the watts of one rest are nearer to work's: a step of something else fits a run by half.
_MOST_UNREST = 0.5
_LEAST_READINGS = 3
_STEPS = 4000
_STEP_S = 0.01


class PowerCsv(EnergySource):
    """The log of a meter at the device's supply, complete when the run ends.

    Args:
        path: The log; it need not be there yet.
        volts: Of the supply, for a meter that logs current alone.

    Raises:
        InputError: It is there, and cannot be used.
    """

    def __init__(self, path: Path, volts: float | None = None) -> None:
        self._path, self._volts = path, volts
        period_s = _USUAL_PERIOD_S
        if path.exists():
            times_s, _ = read_log(path, volts, least=0)
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
        return _CsvRecording(self._path, self._volts, self.record, time)


class _CsvRecording(Recording):
    def __init__(self, path: Path, volts: float | None, record: SourceRecord, time: Time) -> None:
        self._path, self._volts, self._record, self._time = path, volts, record, time
        self._wall_offset_s = wall.time() - time.now()
        self._start_s, self._end_s = time.now(), math.inf

    def edge(self) -> float:
        return self._time.now()

    def stop(self) -> None:
        self._end_s = self._time.now()

    def cost(self) -> RecordingCost:
        """Return nothing: the meter is another machine's work."""
        return RecordingCost(0, 0.0, 0.0)

    def trace(self, busy: Sequence[Span], idle: Sequence[Span] | None = None) -> Trace:
        try:
            times_s, watts = read_log(self._path, self._volts)
        except InputError as problem:
            return self._nothing(str(problem))
        run = Run(tuple(busy), tuple(self._between(busy) if idle is None else idle))
        if times_s[0] >= UNIX_S:
            times_s = times_s - self._wall_offset_s
            shifts = (-_CLOCK_ERROR_S, _CLOCK_ERROR_S)
            refused = _apart(times_s, self._start_s, self._end_s) or _falls(times_s, watts, run)
        else:
            times_s = times_s - times_s[0] + self._start_s
            spare_s = self._end_s - times_s[-1]
            shifts, refused = (min(0.0, spare_s), max(0.0, spare_s)), None
        fit = best_shift(times_s, watts, run, *shifts)
        refused = refused or (None if fit.shows else self._hidden(times_s, watts))
        if refused is not None:
            return self._nothing(f"{self._path.name}: {refused}")
        period_s = _period_s(times_s)
        covers = f"{self._record.covers}; log moved by {fit.shift_s:+.2f} s to fit the run"
        record = replace(self._record, period_s=period_s, tick_s=period_s, covers=covers)
        return Trace(record, times_s + fit.shift_s, watts)

    def _hidden(self, times_s: Floats, watts: Floats) -> str:
        """Return that the run does not show, with what tells a wrong unit from a wrong log."""
        return (
            f"work and rest do not show: {times_s[-1] - times_s[0]:.3g} s of log from "
            f"{watts.min():.4g} to {watts.max():.4g} W beside a run of "
            f"{self._end_s - self._start_s:.3g} s"
        )

    def _between(self, busy: Sequence[Span]) -> list[Span]:
        """Return all of the recording that is not work."""
        edges = [self._start_s, *(edge for span in busy for edge in span), self._end_s]
        return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]

    def _nothing(self, reason: str) -> Trace:
        nothing = np.empty(0)
        return Trace(self._record, nothing, nothing, unusable=reason)


@dataclass(frozen=True)
class Run:
    """What a device did: from when to when it worked, and rested; the remainder is not known."""

    busy: tuple[Span, ...]
    idle: tuple[Span, ...]


@dataclass(frozen=True)
class Fit:
    """How well a log that is moved by `shift_s` shows a run.

    Attributes:
        shift_s: Added to the log's moments.
        correlation: Of watts with work, both kinds weighing the same, times the share of the run
            that the log covers; 1 = exactly.
        errors: By how many standard errors the mean watts of work and rest differ.
        unrest: How far the highest rest lies above their mean, 1 = as high as work.
    """

    shift_s: float = 0.0
    correlation: float = 0.0
    errors: float = 0.0
    unrest: float = 0.0

    @property
    def shows(self) -> bool:
        """Whether the run shows in the log."""
        return (
            self.correlation >= _LEAST_FIT
            and self.errors >= _LEAST_ERRORS
            and self.unrest <= _MOST_UNREST
        )


def best_shift(times_s: Floats, watts: Floats, run: Run, lowest_s: float, highest_s: float) -> Fit:
    """Return the shift of a log that fits the run best.

    Args:
        times_s: The log's moments.
        watts: The log's readings.
        run: What the device did.
        lowest_s: The least shift to try.
        highest_s: The largest.
    """
    best = Fit()
    width_s = highest_s - lowest_s
    middle_s = (lowest_s + highest_s) / 2
    for _ in range(2):  # first coarsely, then around the best
        steps = min(_STEPS, max(3, math.ceil(width_s / _STEP_S)))
        shifts_s = middle_s + np.linspace(-0.5, 0.5, steps) * width_s
        best = max((best, *_fits(times_s, watts, run, shifts_s)), key=_rank)
        middle_s, width_s = best.shift_s, 4 * width_s / steps
    return best


def _rank(fit: Fit) -> tuple[float, float]:
    """Of equals the one that moves the log least is the best."""
    return round(fit.correlation, 9), -abs(fit.shift_s)


def _fits(times_s: Floats, watts: Floats, run: Run, shifts_s: Floats) -> list[Fit]:
    """Return how well the log shows the run at every shift.

    The point-biserial correlation with both kinds weighing the same: half the difference of their
    means over the root of its square plus the mean of their variances.
    """
    if not run.busy or not run.idle:
        return [Fit()]
    level = watts - watts.mean()
    sums = np.stack([np.arange(len(level) + 1.0), _summed(level), _summed(level**2)])
    n1, mean1, spread1, _ = _moments(times_s, sums, run.busy, shifts_s)
    n0, mean0, spread0, highest = _moments(times_s, sums, run.idle, shifts_s)
    gap = mean1 - mean0
    with np.errstate(divide="ignore", invalid="ignore"):
        fit = gap / 2 / np.sqrt(gap**2 / 4 + (spread1 + spread0) / 2)
        errors = gap / np.sqrt(spread1 / n1 + spread0 / n0)
        unrest = (highest - mean0) / gap
    usable = (n1 >= _LEAST_READINGS) & (n0 >= _LEAST_READINGS) & (gap != 0)
    found = np.stack([shifts_s, fit * _covered(times_s, run, shifts_s), errors, unrest], axis=1)
    return [
        Fit(*map(float, row)) if works else Fit(float(row[0]))
        for row, works in zip(found, usable, strict=True)
    ]


def _moments(
    times_s: Floats, sums: Floats, spans: Sequence[Span], shifts_s: Floats
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return count, mean and variance of the readings in `spans`, and the highest span's mean."""
    edges = np.array(spans)[None] - shifts_s[:, None, None]
    first = np.searchsorted(times_s, edges[..., 0], side="left")
    last = np.searchsorted(times_s, edges[..., 1], side="right")
    each = sums[:, last] - sums[:, first]
    count, total, squares = each.sum(axis=-1)
    mean = total / np.maximum(count, 1)
    means = np.where(each[0] >= _LEAST_READINGS, each[1] / np.maximum(each[0], 1), -np.inf)
    variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0.0)
    return count, mean, variance, means.max(axis=-1)


def _covered(times_s: Floats, run: Run, shifts_s: Floats) -> Floats:
    """Return the share of the run from the log's first reading to its last, for every shift."""
    spans = np.array(run.busy + run.idle)
    first, last = (times_s[at] + shifts_s[:, None] for at in (0, -1))
    seen = np.minimum(spans[:, 1], last) - np.maximum(spans[:, 0], first)
    share: Floats = np.maximum(seen, 0.0).sum(axis=1) / (spans[:, 1] - spans[:, 0]).sum()
    return share


def _apart(times_s: Floats, start_s: float, end_s: float) -> str | None:
    """Return that, and how far, a log on a clock that is set lies beside the run."""
    before_s, after_s = start_s - times_s[-1], times_s[0] - end_s
    if max(before_s, after_s) <= _CLOCK_ERROR_S:
        return None
    where = (
        f"ends {before_s:.0f} s before" if before_s > after_s else f"begins {after_s:.0f} s after"
    )
    return f"it does not overlap the run, it {where} it; a time without a zone is taken as local"


def _falls(times_s: Floats, watts: Floats, run: Run) -> str | None:
    """Return that watts fall where the device worked, by a clock that is set.

    Moved by half a turn of work and rest, such a log would seem to fit.
    """
    (fit,) = _fits(times_s, watts, run, np.zeros(1))
    if fit.correlation > -_LEAST_FIT or fit.errors > -_LEAST_ERRORS:
        return None
    return "the watts fall where the run works, by its own clock: not this device's, or negative"


def _summed(values: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(values)])


def _period_s(times_s: Floats) -> float:
    return float(np.median(np.diff(times_s))) if len(times_s) > 1 else _USUAL_PERIOD_S
