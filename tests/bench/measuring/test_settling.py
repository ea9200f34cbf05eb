"""Waiting for a machine, with a clock that a test turns."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest

from calexnet.bench.measuring.settling import settle
from calexnet.bench.report.settled import Settled
from calexnet.devices.base import DeviceState
from calexnet.devices.cpu import CpuDevice
from calexnet.devices.pacing import Action, Pulse, Time


class Clock(Time):
    """Time passes by work and sleep alone."""

    def __init__(self) -> None:
        self.at, self.slept = 0.0, 0.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds

    def start(self, action: Action) -> Pulse:
        raise NotImplementedError


class Board(CpuDevice):
    """A board whose states are told beforehand, one a look."""

    def __init__(self, states: Iterator[DeviceState]) -> None:
        super().__init__()
        self.states = states

    def state(self) -> DeviceState:
        return next(self.states)


CALM = DeviceState(0.0)


def waited(costs: Iterator[float], states: Iterator[DeviceState], limit_s: float = 60.0) -> Settled:
    """Return what comes of calls that take so many seconds, more than a window each."""
    clock = Clock()

    def call() -> None:
        clock.at += next(costs)

    return settle(call, Board(states), clock, limit_s)


def test_a_steady_machine_is_seen_to_be_so_in_five_windows() -> None:
    assert Settled(10.0, 60.0, True, 0.0, None) == waited(repeat(2.0), repeat(CALM))


def test_a_machine_that_warms_up_is_worked_until_it_holds_its_pace() -> None:
    """Calls of 1, 1.2, 1.4 s, then 1.5 s: five of the last are needed."""
    found = waited(chain([1.0, 1.2, 1.4], repeat(1.5)), repeat(CALM))

    assert found.held
    assert pytest.approx(0.0) == found.pace_change
    assert pytest.approx(1.0 + 1.2 + 1.4 + 5 * 1.5) == found.seconds


def test_a_machine_that_was_slowed_down_rests_first() -> None:
    hot = DeviceState(0.0, throttled=("heat",))

    found = waited(repeat(1.0), chain([hot] * 7, repeat(CALM)))

    assert (True, 7.0 + 5.0) == (found.held, found.seconds)


def test_a_temperature_that_still_rises_is_waited_for() -> None:
    states = [DeviceState(0.0, temperatures_c={"soc": 40.0 + 2 * n}) for n in range(10)]

    found = waited(repeat(1.0), chain(states, repeat(states[-1])))

    assert (True, 0.0) == (found.held, found.warmth_change_c)
    assert pytest.approx(14.0) == found.seconds


def test_the_wait_ends_and_says_what_it_found() -> None:
    found = waited(iter([1.0, 2.0] * 50), repeat(CALM), limit_s=20.0)

    assert not found.held
    assert pytest.approx(1.0) == found.pace_change
    assert 20.0 <= found.seconds < 23.0


def test_a_machine_that_never_worked_freely_has_no_pace() -> None:
    hot = DeviceState(0.0, throttled=("heat",))

    assert Settled(5.0, 5.0, False, None, None) == waited(repeat(1.0), repeat(hot), limit_s=5.0)
