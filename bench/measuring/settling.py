"""Waiting for a machine that cools down or warms up, before anything is timed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calexnet.bench.measuring.timing import Call
from calexnet.bench.report.settled import Settled
from calexnet.devices.base import Device
from calexnet.devices.pacing import Time
from calexnet.progress import Progress

#: Seconds of work that are looked at as one, and how many of them in a row must be alike.
WINDOW_S, WINDOWS = 1.0, 5
#: By how much their paces and temperatures may differ.
PACE_WITHIN, WARMTH_WITHIN_C = 0.05, 1.0


@dataclass(frozen=True)
class _Window:
    """A second of work."""

    call_s: float
    hottest_c: float | None


def settle(call: Call, device: Device, time: Time, limit_s: float) -> Settled:
    """Work until the machine holds its pace, and rest while it is slowed down.

    Work warms a cold machine up as the measurement would; one that was slowed down for heat or
    power cools down at rest.

    Args:
        call: A typical one.
        device: To look at.
        time: The clock.
        limit_s: To wait at most.
    """
    start, windows = time.now(), list[_Window]()
    label = f"settling, until the pace holds within {100 * PACE_WITHIN:g} %: seconds"
    with Progress(label, round(limit_s)) as progress:
        while time.now() - start < limit_s and not _held(windows):
            before = time.now()
            state = device.state()
            if state.throttled:
                windows.clear()
                time.sleep(WINDOW_S)
            else:
                windows = [*windows[1 - WINDOWS :], _Window(_pace(call, time), state.hottest_c)]
            note = f"cools down: {', '.join(state.throttled)}" if state.throttled else ""
            progress.advance(round(time.now() - before), note)
    return Settled(time.now() - start, limit_s, _held(windows), *_changes(windows))


def _pace(call: Call, time: Time) -> float:
    """Return the usual seconds of a call over a window."""
    begun = time.now()
    found: list[float] = []
    while not found or time.now() - begun < WINDOW_S:
        before = time.now()
        call()
        found.append(time.now() - before)
    return float(np.median(found))


def _changes(windows: list[_Window]) -> tuple[float | None, float | None]:
    if len(windows) < WINDOWS:
        return None, None
    paces = [one.call_s for one in windows]
    warmth = [one.hottest_c for one in windows if one.hottest_c is not None]
    pace = max(paces) / max(min(paces), 1e-9) - 1
    return pace, max(warmth) - min(warmth) if warmth else None


def _held(windows: list[_Window]) -> bool:
    pace, warmth = _changes(windows)
    return pace is not None and pace <= PACE_WITHIN and (warmth or 0.0) <= WARMTH_WITHIN_C
