"""How the machine was while it was measured: clocks, heat, throttling, and who else used it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from calexnet.bench.validity_records import Conditions, Span
from calexnet.devices import host
from calexnet.devices.base import Device, DeviceState, slowed_down

_PERIOD_S = 1.0


@dataclass
class Watch:
    """Looks at the device between blocks, at most once a second, never within what is timed.

    Attributes:
        device: To look at.
    """

    device: Device
    _states: list[DeviceState] = field(default_factory=list)
    _last_s: float = -_PERIOD_S
    _start: host.ProcessorTimes | None = None
    _own_s: float = 0.0
    _wall_s: float = 0.0

    def __post_init__(self) -> None:
        """Note where the processor's counters stand."""
        self._start = host.processor_times(self.device.system)
        self._own_s, self._wall_s = time.process_time(), time.monotonic()

    def look(self) -> None:
        """Note the state of the device, if the last look is a while ago."""
        now = time.monotonic()
        if now - self._last_s >= _PERIOD_S:
            self._states.append(self.device.state())
            self._last_s = now

    def found(self, before: DeviceState, after: DeviceState) -> Conditions:
        """Return what was seen between `before` and `after`."""
        states = [before, *self._states, after]
        foreign, stolen = self._others()
        hottest = [state.hottest_c for state in states if state.hottest_c is not None]
        slow = [reason for one in self._states for reason in one.throttled or ()]
        return Conditions(
            looks=len(self._states),
            clocks_mhz=_clocks(self._states or [after]),
            governors=_governors(states),
            hottest_c=max(hottest, default=None),
            slowed_down=tuple(dict.fromkeys((*slowed_down(before, after), *slow))),
            foreign=tuple(dict.fromkeys(name for one in states for name in one.foreign)),
            foreign_share=foreign,
            steal_share=stolen,
        )

    def _others(self) -> tuple[float | None, float | None]:
        """Return the share of the cores' time that others used, and that the host took away."""
        now, start = host.processor_times(self.device.system), self._start
        if now is None or start is None:
            return None, None
        passed_s = (time.monotonic() - self._wall_s) * now.cores
        own_s = time.process_time() - self._own_s
        foreign_s = now.busy_s - start.busy_s - own_s
        return max(0.0, foreign_s / passed_s), max(0.0, (now.steal_s - start.steal_s) / passed_s)


def _clocks(states: list[DeviceState]) -> dict[str, Span]:
    """Return the lowest and highest of every clock, as it was while there was work."""
    seen: dict[str, list[float]] = {}
    for state in states:
        for clock in state.clocks:
            if clock.mhz is not None:
                seen.setdefault(clock.name, []).append(clock.mhz)
    return {name: Span(min(mhz), max(mhz)) for name, mhz in seen.items()}


def _governors(states: list[DeviceState]) -> dict[str, str]:
    return {
        clock.name: clock.governor
        for state in states
        for clock in state.clocks
        if clock.governor is not None
    }
