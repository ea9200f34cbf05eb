"""How the machine was while it was measured: clocks, heat, throttling, and who else used it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from calexnet.bench.report.validity import Conditions, Span
from calexnet.devices import host, limits
from calexnet.devices.base import Device, DeviceState, slowed_down

_PERIOD_S = 1.0


@dataclass(frozen=True)
class Look:
    """What was seen of the machine since the last look.

    Attributes:
        state: Of the device; ``None`` if the last one was not a second ago.
        cores_s: Seconds that passed, times cores; 0 where the processor's counters cannot be read.
        foreign_s: Of these, what other processes used.
        stolen_s: And what the host of a virtual machine took.
        held: Periods in which a quota held this process back.
    """

    state: DeviceState | None
    cores_s: float
    foreign_s: float
    stolen_s: float
    held: int = 0


@dataclass(frozen=True)
class _Mark:
    """Where the counters stood."""

    used: host.ProcessorTimes | None
    own_s: float
    now_s: float
    held: int | None


@dataclass
class Watch:
    """Looks at the machine between blocks, never within what is timed.

    Attributes:
        device: To look at; its state is asked for at most once a second.
    """

    device: Device
    _earlier: list[Look] = field(default_factory=list)
    _looks: list[Look] = field(default_factory=list)
    _last_s: float = -_PERIOD_S

    def __post_init__(self) -> None:
        """Note where the processor's counters stand."""
        self._mark = self._counters()

    def remember(self, looks: Iterable[Look]) -> None:
        """Take in what an earlier run saw while it measured the blocks that are gone on from."""
        self._earlier.extend(looks)

    def look(self) -> Look:
        """Note what was seen since the last look, and return it."""
        now = time.monotonic()
        state = None
        if now - self._last_s >= _PERIOD_S:
            state, self._last_s = self.device.state(), now
        found = Look(state, *self._passed())
        self._looks.append(found)
        return found

    def found(self, before: DeviceState, after: DeviceState) -> Conditions:
        """Return what was seen between `before` and `after`, and in an earlier run."""
        rest = Look(None, *self._passed())
        looks = [*self._earlier, *self._looks, rest]
        seen, earlier = _states(looks), _states(self._earlier)
        states = [before, *seen, after]
        hottest = [state.hottest_c for state in states if state.hottest_c is not None]
        slow = [
            *slowed_down(before, after),
            *(slowed_down(earlier[0], earlier[-1]) if earlier else ()),
            *(reason for one in seen for reason in one.throttled or ()),
        ]
        cores_s = sum(look.cores_s for look in looks)
        foreign, stolen = sum(x.foreign_s for x in looks), sum(x.stolen_s for x in looks)
        return Conditions(
            looks=len(seen),
            clocks_mhz=_clocks(seen or [after]),
            governors=_governors(states),
            hottest_c=max(hottest, default=None),
            slowed_down=tuple(dict.fromkeys(slow)),
            foreign=tuple(dict.fromkeys(name for one in states for name in one.foreign)),
            foreign_share=max(0.0, foreign / cores_s) if cores_s else None,
            steal_share=max(0.0, stolen / cores_s) if cores_s else None,
            emulated=limits.emulated(self.device.system),
            quota_cores=limits.quota(self.device.system).cores,
            quota_periods=None if self._mark.held is None else sum(look.held for look in looks),
        )

    def _passed(self) -> tuple[float, float, float, int]:
        """Return what a `Look` holds since the last mark."""
        start, self._mark = self._mark, self._counters()
        end = self._mark
        held = (end.held or 0) - (start.held or 0)
        if end.used is None or start.used is None:
            return 0.0, 0.0, 0.0, held
        foreign_s = end.used.busy_s - start.used.busy_s - (end.own_s - start.own_s)
        cores_s = (end.now_s - start.now_s) * end.used.cores
        return cores_s, foreign_s, end.used.steal_s - start.used.steal_s, held

    def _counters(self) -> _Mark:
        system = self.device.system
        used, held = host.processor_times(system), limits.quota(system).throttled
        return _Mark(used, time.process_time(), time.monotonic(), held)


def _states(looks: Iterable[Look]) -> list[DeviceState]:
    return [look.state for look in looks if look.state is not None]


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
