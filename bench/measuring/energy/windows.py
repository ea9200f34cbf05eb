"""The energy of an image: windows of steady work beside a recording, all in and above idle.

It is measured apart from the timed blocks, so that no probe slows them down. One window is: some
work ahead, so that the sensor sees nothing else; an edge; work for as long as the sensor needs;
waiting for whatever the device still does; an edge. What was compared takes turns, in random order.
The device is left idle before the first window and after the last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np

from calexnet.bench.measuring.timing import Task, no_garbage_collection
from calexnet.bench.model import statistics
from calexnet.bench.model.statistics import Floats
from calexnet.bench.report.energy import EnergyComparison, EnergyCost, EnergyMethod, ProbeCost
from calexnet.bench.report.interval import Interval
from calexnet.costs import break_even_band, break_even_exit_rate, exit_profile, profiles
from calexnet.devices.base import Device, Probe
from calexnet.devices.energy import EnergySource, Recording, RecordingCost, Trace
from calexnet.devices.pacing import RealTime, Time

#: What is compared with what: tasks by name.
Tasks = Mapping[str, Task]

_COST_ROUNDS = 7
#: A pause is as long as so many windows.
_IDLE_WINDOWS = 2


@dataclass(frozen=True)
class EnergyPlan:
    """How energy is measured.

    Attributes:
        windows: For each task; 0 = energy is not measured.
        window_s: Of each, at least; a slow sensor gets longer ones.
        probe_s: Of each run that tells what the probe costs.
    """

    windows: int = 5
    window_s: float = 1.0
    probe_s: float = 0.2


@dataclass(frozen=True)
class Window:
    """Work between two edges."""

    start_s: float
    end_s: float
    images: int


@dataclass
class EnergyRun:
    """Windows on one source. Figures are ready when the run is closed: a log is read only then.

    Attributes:
        device: Whose work is waited for.
        source: What tells its energy.
        plan: How.
        rng: Of the order.
        time: The clock.
    """

    device: Device
    source: EnergySource
    plan: EnergyPlan
    rng: np.random.Generator
    time: Time = field(default_factory=RealTime)
    _windows: dict[tuple[str, str], list[Window]] = field(default_factory=dict)
    _idle: list[Window] = field(default_factory=list)
    _probe: Interval | None = None
    _recording: Recording | None = None
    _trace: Trace | None = None
    _cost: RecordingCost | None = None

    @property
    def window_s(self) -> float:
        """How long each window is at least."""
        return self.source.record.window_s(self.plan.window_s)

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record while the block runs, idle at both ends."""
        self._recording = self.source.start(self.time)
        try:
            self._rest()
            yield
            self._rest()
        finally:
            self._recording.stop()
            self._cost = self._recording.cost()
        busy = sorted((w.start_s, w.end_s) for ws in self._windows.values() for w in ws)
        idle = [(w.start_s, w.end_s) for w in self._idle]
        self._trace = self._recording.trace(busy, idle)

    def compare(
        self, group: str, tasks: Tasks, after_window: Callable[[], None] = lambda: None
    ) -> None:
        """Take the windows of `tasks`, in turns; the figures are asked for by `group` and name."""
        names = list(tasks)
        with no_garbage_collection():
            for number in range(self.plan.windows):
                for index in self.rng.permutation(len(names)):
                    window = self._window(tasks[names[index]], number)
                    self._windows.setdefault((group, names[index]), []).append(window)
                    after_window()

    def weigh_probe(self, task: Task) -> None:
        """Measure how much slower `task` runs while the source is recorded; before `recorded`."""
        without: list[float] = []
        beside: list[float] = []
        with no_garbage_collection():
            for number in range(_COST_ROUNDS):
                for recorded in self.rng.permutation(2):
                    recording = self.source.start(self.time) if recorded else None
                    cost_s = self._image_s(task, number)
                    (beside if recorded else without).append(cost_s)
                    if recording is not None:
                        recording.stop()
        self._probe = statistics.compare(np.array(without), np.array(beside), seed=0).ratio

    def comparison(self, group: str, plain: str, ours: str) -> Comparison:
        """Return two tasks side by side."""
        return Comparison(self._joules(group, plain), self._joules(group, ours))

    def cost(self, group: str, name: str) -> Cost:
        """Return what an image of one task uses."""
        joules = self._joules(group, name)
        return Cost(_spread(joules.gross), _spread(joules.net), joules.reason)

    def method(self, refused: Mapping[str, str]) -> EnergyMethod:
        """Return how it was measured, and on what."""
        idle = [self._power_w(window) for window in self._idle]
        return EnergyMethod(
            source=self._done.source,
            refused=dict(refused),
            windows=self.plan.windows,
            window_s=self.window_s,
            idle_before_w=idle[0][0],
            idle_after_w=idle[-1][0],
            idle_message=idle[0][1] or idle[-1][1],
            probe=self._probe_cost(),
        )

    @property
    def _done(self) -> Trace:
        assert self._trace is not None, "figures are ready when the recording has ended"
        return self._trace

    def _rest(self) -> None:
        recording = self._recording
        assert recording is not None
        self.device.drain()
        self.time.sleep(self.source.record.averaging_s)
        start_s = recording.edge()
        self.time.sleep(_IDLE_WINDOWS * self.window_s)
        self._idle.append(Window(start_s, recording.edge(), 0))

    def _window(self, task: Task, number: int) -> Window:
        recording = self._recording
        assert recording is not None
        calls, images = self._prepared(task, number)
        self._work(calls, self.source.record.averaging_s + self.source.record.tick_s)
        start_s = recording.edge()
        done = self._work(calls, self.window_s)
        self.device.drain()
        return Window(start_s, recording.edge(), done * images)

    def _image_s(self, task: Task, number: int) -> float:
        calls, images = self._prepared(task, number)
        self._work(calls, 0.0)
        start_s = self.time.now()
        done = self._work(calls, self.plan.probe_s)
        self.device.drain()
        return (self.time.now() - start_s) / (done * images)

    def _prepared(self, task: Task, number: int) -> tuple[Iterator[Callable[[], object]], int]:
        """Return the calls of one window, without end, and the images in each.

        Windows start at different calls, so that short ones do not all see the same images.
        """
        calls = task.calls(number)
        first = number * len(calls) // max(self.plan.windows, _COST_ROUNDS)
        return cycle([*calls[first:], *calls[:first]]), task.images // len(calls)

    def _work(self, calls: Iterator[Callable[[], object]], seconds: float) -> int:
        """Make calls until `seconds` have passed, at least one, and return how many."""
        until_s = self.time.now() + seconds
        done = 0
        while done == 0 or self.time.now() < until_s:
            next(calls)()
            done += 1
        return done

    def _joules(self, group: str, name: str) -> Joules:
        """Return the joules an image, window by window, all in and above idle."""
        idle = [self._power_w(window) for window in self._idle]
        idle_w = [power for power, _ in idle if power is not None]
        gross, net = [], []
        for window in self._windows.get((group, name), ()):
            reading = self._done.energy(window.start_s, window.end_s)
            if reading.joules is None:
                return Joules(None, None, reading.reason)
            gross.append(reading.joules / window.images)
            if len(idle_w) == len(idle):
                resting_j = float(np.mean(idle_w)) * (window.end_s - window.start_s)
                net.append((reading.joules - resting_j) / window.images)
        if not gross:
            return Joules(None, None, "no window was taken")
        return Joules(np.array(gross), np.array(net) if net else None, None)

    def _power_w(self, window: Window) -> tuple[float | None, str | None]:
        reading = self._done.energy(window.start_s, window.end_s)
        if reading.joules is None:
            return None, reading.reason
        return reading.joules / (window.end_s - window.start_s), None

    def _probe_cost(self) -> ProbeCost | None:
        cost, slowdown = self._cost, self._probe
        if cost is None or slowdown is None or cost.readings == 0:
            return None
        return ProbeCost(
            cost.readings,
            cost.read_ms,
            cost.cpu_share,
            slowdown.value,
            slowdown.low,
            slowdown.high,
        )


@dataclass(frozen=True)
class Joules:
    """Joules an image, window by window: all in, and above idle; or why there are none."""

    gross: Floats | None
    net: Floats | None
    reason: str | None


@dataclass(frozen=True)
class Cost:
    """What an image uses, with intervals: all in, and above idle; or why it is unknown."""

    gross: EnergyCost | None
    net: EnergyCost | None
    reason: str | None


@dataclass(frozen=True)
class Comparison:
    """Plain beside cascade, from windows taken in turns."""

    plain: Joules
    ours: Joules

    @property
    def reason(self) -> str | None:
        """Why there are no joules."""
        return self.plain.reason or self.ours.reason

    @property
    def gross(self) -> EnergyComparison | None:
        """All that the device used."""
        return _compared(self.plain.gross, self.ours.gross)

    @property
    def net(self) -> EnergyComparison | None:
        """What it used above idle."""
        return _compared(self.plain.net, self.ours.net)


def choose_source(
    probes: Sequence[Probe], unused: str | None, windows: int
) -> tuple[EnergySource | None, dict[str, str]]:
    """Return the first source that can be read, and why each of the others before it cannot.

    Args:
        probes: The best first.
        unused: Why nothing of this process runs on the device.
        windows: That were asked for.
    """
    if windows == 0:
        return None, {}
    if unused is not None:
        return None, {"energy": unused}
    refused: dict[str, str] = {}
    for probe in probes:
        if probe.source is not None:
            return probe.source, refused
        refused[probe.name] = probe.reason or "no reason given"
    return None, refused


def expected_s(source: EnergySource, plan: EnergyPlan, tasks: int) -> float:
    """Return how long the windows of so many tasks take on a source, with both idle ends."""
    record = source.record
    window_s = record.window_s(plan.window_s)
    one = window_s + record.averaging_s + record.tick_s
    idle = 2 * (_IDLE_WINDOWS * window_s + record.averaging_s)
    return plan.windows * tasks * one + idle + 2 * _COST_ROUNDS * plan.probe_s


def remedies_of(probes: Sequence[Probe]) -> dict[str, str]:
    """Return what would let each sensor that cannot be used be used, where that is known."""
    return {p.name: p.fix for p in probes if p.source is None and p.fix is not None}


def unmeasured(
    refused: Mapping[str, str], remedies: Mapping[str, str], windows: int
) -> EnergyMethod:
    """Return that nothing was measured, why, and what would change that."""
    return EnergyMethod(None, dict(refused), windows=windows, remedies=dict(remedies))


def break_even(
    exits: Sequence[Interval], rates: Sequence[float], plain_j: float, ratio: Interval
) -> tuple[float | None, float | None, float | None]:
    """Return the share that must leave early for plain and cascade to use the same, at batch 1.

    The mix among branches is kept. As in time, the sum over exits is moved by a constant so that it
    meets the measured cascade at the observed rates::

        J(p) = p * sum_k mix_k J_k + (1 - p) J_last + constant

    Args:
        exits: Joules of an image that leaves at each exit, the backbone's last.
        rates: Observed shares.
        plain_j: Measured joules of the backbone alone.
        ratio: Measured joules of the cascade over those.

    Returns:
        The rate, 0 if the cascade uses less even then, ``None`` if it uses more even at 1; and its
        band, every share around it at which the interval of what is lost holds 0.
    """
    found = profiles((1,), 1, rates)
    shares = np.array(
        [
            rates if place == found.observed else exit_profile(float(early), rates[:-1])
            for place, early in enumerate(found.early)
        ]
    )
    moved = (shares - np.array(rates)) / plain_j
    joules, down, up = (
        np.array(part)
        for part in zip(*((j.value, j.value - j.low, j.high - j.value) for j in exits), strict=True)
    )
    losses = ratio.value - 1 + moved @ joules
    more, less = np.maximum(moved, 0.0), np.maximum(-moved, 0.0)
    below = np.sqrt((ratio.value - ratio.low) ** 2 + more**2 @ down**2 + less**2 @ up**2)
    above = np.sqrt((ratio.high - ratio.value) ** 2 + more**2 @ up**2 + less**2 @ down**2)
    rate = break_even_exit_rate(found, losses)
    return rate, *break_even_band(found, rate, losses - below, losses + above)


def estimated_j(cpu_s: float, tdp_w: float, cores: int) -> float:
    """Return the joules of `cpu_s` processor-seconds if the processor draws `tdp_w` on all cores.

    An estimate: clocks, idle states and the kind of work do not enter.
    """
    return tdp_w * cpu_s / cores


def _spread(joules: Floats | None) -> EnergyCost | None:
    if joules is None:
        return None
    found = statistics.typical(joules, seed=0)
    return EnergyCost(found.value, found.low, found.high)


def _compared(plain: Floats | None, ours: Floats | None) -> EnergyComparison | None:
    if plain is None or ours is None:
        return None
    left, right = _spread(plain), _spread(ours)
    assert left is not None
    assert right is not None
    if not ((plain > 0).all() and (ours > 0).all()):
        return EnergyComparison(left, right, None, None, None, "unclear")
    found = statistics.compare(plain, ours, seed=0)
    return EnergyComparison(
        left, right, found.ratio.value, found.ratio.low, found.ratio.high, found.verdict
    )
