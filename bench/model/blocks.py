"""What interleaved blocks tell, once the machine's own speed is told apart from the tasks'.

A slow moment hits every task of a block alike. Its share is how far tasks are from their own usual
times in that block, the mean of the middle half of them; what is left of a task is its own. All in
logarithms, after Tukey's median polish::

    log ms[task, block] = time[task] + pace[block] + rest

Ratios and differences of times are then free of the machine's swings, and the times all stand at
the same pace, the run's usual one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from calexnet.bench.model import statistics
from calexnet.bench.model.level import level
from calexnet.bench.model.statistics import Comparison, Floats
from calexnet.bench.report.interval import Interval
from calexnet.errors import MeasurementError

_DRAWS = 400

#: Usual times of tasks by name, ms an image: figures, or draws of them.
Times = Mapping[str, Floats]


@dataclass(frozen=True)
class Blocks:
    """Tasks timed in the same blocks.

    Attributes:
        names: Of the tasks.
        times: Their logarithms at the usual pace: float64 ``(tasks,)``.
        pace: How much slower than usual each block was, a logarithm: float64 ``(blocks,)``.
        rests: What is a task's own in each block: float64 ``(tasks, blocks)``.
        seed: Of the resampling.
    """

    names: tuple[str, ...]
    times: Floats
    pace: Floats
    rests: Floats
    seed: int = 0

    def ms(self, name: str) -> float:
        """Return the usual ms an image of a task."""
        return float(np.exp(self.times[self._place(name)]))

    def compare(self, plain: str, ours: str) -> Comparison:
        """Return two tasks and their ratio, the machine's swings taken out."""
        return Comparison(self.ms(plain), self.ms(ours), self.ratio(plain, ours))

    def ratio(self, under: str, over: str) -> Interval:
        """Return `over` / `under`, just that of their usual times.

        The interval is that of the median over blocks of what the ratio is in each.
        """
        a, b = self._place(under), self._place(over)
        rest = self.rests[b] - self.rests[a]  # the pace of a block is in both, and so in neither
        found = statistics.median(rest, self.seed)
        between = float(self.times[b] - self.times[a])
        low, high = min(found.low, 0.0), max(found.high, 0.0)
        return statistics.exponential(Interval(between, between + low, between + high))

    def interval(self, name: str) -> Interval:
        """Return a task's usual ms an image; its interval holds the machine's swings too."""
        place = self._place(name)
        usual = float(self.times[place])
        rest = self.rests[place]
        own = statistics.widened(0.0, self._draws(place), statistics.widening(rest))
        return statistics.exponential(statistics.in_quadrature(usual, (own, self._swings)))

    def usual(self) -> dict[str, float]:
        """Return the usual ms an image of every task."""
        return {name: self.ms(name) for name in self.names}

    def derived(self, figure: Callable[[Times], Floats]) -> Interval:
        """Return a figure that is made of several tasks' times, with its interval.

        Args:
            figure: Made of times by name, float64 ``(draws,)``, all at the same pace.
        """
        value = float(figure(self._usual_times)[0])
        return statistics.widened(value, figure(self._drawn_times), self._usual_widening)

    def derived_each(self, figures: Callable[[Times], Floats]) -> tuple[Floats, Floats, Floats]:
        """Return many such figures at once: their values, lower ends and upper ends.

        Args:
            figures: Made of times by name, float64 ``(figures, draws)``.
        """
        values, draws = figures(self._usual_times)[:, 0], figures(self._drawn_times)
        return values, *statistics.widened_each(values, draws, self._usual_widening)

    def halves(self) -> tuple[Blocks, Blocks]:
        """Return every other block, and the rest; of too few blocks all of them, twice."""
        if len(self.pace) < 2 * statistics.MIN_BLOCKS:
            return self, self
        ms = np.exp(self.times[:, None] + self.pace + self.rests)
        return tuple(  # type: ignore[return-value]
            told_apart(dict(zip(self.names, ms[:, start::2], strict=True)), self.seed)
            for start in (0, 1)
        )

    def swing(self) -> float:
        """Return how much slower the slowest block was than the fastest: 1 = not at all."""
        return float(np.exp(np.ptp(self.pace)))

    def drift(self) -> float:
        """Return how much slower the last quarter of the blocks was than the first: 1 = not."""
        part = max(1, len(self.pace) // 4)
        return float(np.exp(np.median(self.pace[-part:]) - np.median(self.pace[:part])))

    def settling(self, name: str) -> tuple[float, float]:
        """Return how much slower a task's second half was than its first, the pace taken out.

        Beside it stands the standard error of its logarithm, from how far its blocks lie apart
        within each half.
        """
        rest = self.rests[self._place(name)]
        early, late = np.array_split(rest, 2)
        own = np.concatenate([early - np.median(early), late - np.median(late)])
        spread = float(np.subtract(*np.quantile(own, (0.75, 0.25)))) / 1.349
        error = spread * np.sqrt(np.pi / 2 * (1 / len(early) + 1 / len(late)))
        return float(np.exp(np.median(late) - np.median(early))), float(error)

    def effective(self) -> float:
        """Return how many blocks there would be if the machine's pace forgot itself in each."""
        return statistics.effective_blocks(self.pace)

    def _place(self, name: str) -> int:
        return self._places[name]

    def _draws(self, place: int) -> Floats:
        """Return how far the median of a task's blocks may be off, draw by draw."""
        return np.asarray(np.median(self.rests[place][self._rows], axis=1))

    @cached_property
    def _swings(self) -> Interval:
        return level(self.pace, self.seed)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {name: place for place, name in enumerate(self.names)}

    @cached_property
    def _rows(self) -> NDArray[np.intp]:
        return statistics.resampled(len(self.pace), self.seed)

    @cached_property
    def _usual_times(self) -> Times:
        return {name: np.array([ms]) for name, ms in self.usual().items()}

    @cached_property
    def _drawn_times(self) -> Times:
        rows = self._rows[:_DRAWS]
        return {
            name: np.exp(self.times[i] + np.median(self.rests[i][rows], axis=1))
            for i, name in enumerate(self.names)
        }

    @cached_property
    def _usual_widening(self) -> float:
        return float(np.median([statistics.widening(rest) for rest in self.rests]))


def told_apart(ms: Mapping[str, Floats], seed: int = 0) -> Blocks:
    """Return the tasks' times and the machine's pace.

    Args:
        ms: Of each task, the mean ms an image in each block: float64 ``(blocks,)``.
        seed: Of the resampling.

    Raises:
        MeasurementError: A time is not over 0: the clock is too coarse for the task.
    """
    for name, series in ms.items():
        if not (series > 0).all():
            raise MeasurementError(
                "a call took no time that the clock could tell",
                got=f"{series.min()} ms for {name}",
                expected="over 0",
                fix="Give each cell more time",
            )
    table = np.log(np.array([*ms.values()]))
    centre = np.median(table, axis=1)
    pace = _midmean(table - centre[:, None])
    pace = pace - np.median(pace)
    rests = table - pace
    times = np.median(rests, axis=1)
    return Blocks(tuple(ms), times, pace, rests - times[:, None], seed)


def _midmean(table: Floats) -> Floats:
    """Return the mean of the middle half of each column: no task decides, and none is ignored."""
    spare = len(table) // 4
    return np.asarray(np.sort(table, axis=0)[spare : len(table) - spare].mean(axis=0))
