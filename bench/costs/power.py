"""The machine's mean power at such work, apart from the timed blocks: for estimates alone."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

from calexnet.bench.costs.board import Power
from calexnet.bench.measuring.energy.windows import choose_source
from calexnet.bench.measuring.timing import Call
from calexnet.devices.base import Device
from calexnet.devices.energy import EnergySource
from calexnet.devices.pacing import Time

#: Of the one window, at least; a slow sensor gets a longer one.
WINDOW_S = 5.0


def mean_power(device: Device, calls: Sequence[Call], time: Time) -> Power:
    """Return what the machine draws while it makes `calls` in turn, idle power included.

    Args:
        device: Its first sensor that can be read is used.
        calls: What stands for all that was timed.
        time: The clock.
    """
    source, refused = choose_source(device.probes(), device.unused(), windows=1)
    if source is None:
        reasons = [f"{name}: {reason}" for name, reason in refused.items()]
        return Power(reason="; ".join(reasons) or "this machine has no sensor")
    return _recorded(device, source, calls, time)


def _recorded(device: Device, source: EnergySource, calls: Sequence[Call], time: Time) -> Power:
    known = source.record
    recording = source.start(time)
    try:
        _work(calls, known.averaging_s + known.tick_s, time)
        start_s = recording.edge()
        _work(calls, known.window_s(WINDOW_S), time)
        device.drain()
        end_s = recording.edge()
    finally:
        recording.stop()
    found = recording.trace([(start_s, end_s)], []).energy(start_s, end_s)
    if found.joules is None:
        return Power(known.name, None, found.reason)
    return Power(known.name, found.joules / (end_s - start_s))


def _work(calls: Sequence[Call], seconds: float, time: Time) -> None:
    until_s = time.now() + seconds
    for call in cycle(calls):
        call()
        if time.now() >= until_s:
            return
