"""The lane of host memory: numpy arrays that engines are bound to, once a batch size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calexnet.images.preprocessing import Preprocessing
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.lanes.lane import Answer, Lane
from calexnet.runtimes.steps import Step

#: Bindings that a lane keeps of one segment: one a batch size, or two where survivors come in.
_MOST_BOUND = 128


class HostLane(Lane):
    """Tensors in numpy arrays: what one segment writes is what the next one reads.

    Every carried tensor has two arrays. A segment writes the first; survivors are gathered into the
    other when a segment is about to read them, so a row that leaves is never copied, and one that
    stays is copied once. An engine is bound to the arrays as they then lie, once for each batch
    size and side.
    """

    def __init__(self, steps: Sequence[Step], preprocessing: Preprocessing, room: int) -> None:
        super().__init__(steps, preprocessing, room)
        image = _Tensor((room, *preprocessing.batch_shape()), preprocessing.dtype)
        self._tensors = {"image": image}
        self._segments = [self._segment(step) for step in self.steps]
        self._gathering = False  # whether this batch has been gathered: else all lies straight

    def _segment(self, step: Step) -> _Segment:
        def array(name: str) -> Array:
            return np.empty(step.shape(name, self.room), step.tensors[name].dtype)

        made = {n: _Tensor(step.shape(n, self.room), step.tensors[n].dtype) for n in step.gives}
        self._tensors.update(made)
        return _Segment(
            step=step,
            takes=tuple(self._tensors[name] for name in step.takes),
            gives=tuple(made.values()),
            keeps=tuple(self._tensors[name] for name in step.keeps),
            threshold=array("threshold") if step.has_gate else None,
            answer={name: array(name) for name in (*step.answers, "probabilities")},
            straight=(0,) * len(step.takes),
            bound={},
        )

    def use(self, thresholds: NDArray[np.float32]) -> None:
        """See `Lane`."""
        gates = [s.threshold for s in self._segments if s.threshold is not None]
        for mine, row in zip(gates, thresholds, strict=True):
            mine[...] = row
        self.thresholds = thresholds

    def start(self, images: Array) -> None:
        """See `Lane`."""
        self.rows = len(images)
        if self._gathering:
            for tensor in self._tensors.values():
                tensor.side, tensor.rows = 0, None
            self._gathering = False
        np.copyto(self._tensors["image"].arrays[0][: self.rows], images)

    def _run(self, segment: int, probabilities: bool) -> Answer:
        mine = self._segments[segment]
        sides = self._gathered(mine) if self._gathering else mine.straight
        bound = mine.bound.get((self.rows, sides))
        if bound is None:
            bound = self._bind(mine, self.rows, sides)
        bound.call()
        return bound.answer

    def _gathered(self, mine: _Segment) -> tuple[int, ...]:
        """Gather what a segment reads, if that was put off; return on which side each is."""
        for tensor in mine.takes:
            if tensor.rows is not None:
                tensor.gather()
        return tuple(tensor.side for tensor in mine.takes)

    def _bind(self, mine: _Segment, rows: int, sides: tuple[int, ...]) -> _Bound:
        step = mine.step
        feeds = {
            name: tensor.arrays[side][:rows]
            for name, tensor, side in zip(step.takes, mine.takes, sides, strict=True)
        }
        if mine.threshold is not None:
            feeds["threshold"] = mine.threshold
        answer = {name: array[:rows] for name, array in mine.answer.items()}
        made = {n: t.arrays[0][:rows] for n, t in zip(step.gives, mine.gives, strict=True)}
        call = step.engine.bind(feeds, {**made, **answer})
        bound = _Bound(
            call,
            Answer(answer["label"], answer["score"], answer.get("exit"), answer["probabilities"]),
        )
        if len(mine.bound) >= _MOST_BOUND:
            del mine.bound[next(iter(mine.bound))]
        mine.bound[rows, sides] = bound
        return bound

    def keep(self, rows: NDArray[np.intp]) -> None:
        """See `Lane`; only noted here, and done when a tensor is read."""
        self._gathering = True
        for tensor in self._segments[self.last].keeps:
            tensor.rows = rows if tensor.rows is None else tensor.rows[rows]
        self.rows = len(rows)

    def gather(self, segment: int) -> None:
        """See `Lane`."""
        self._gathered(self._segments[segment])


class _Tensor:
    """One carried tensor: the array that it is made in, and the one that it is gathered into.

    Attributes:
        arrays: Both.
        side: Which of them it is in.
        rows: Of these, the rows that are still here; ``None`` = the first, in order.
    """

    __slots__ = ("arrays", "rows", "side")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[np.generic] | str) -> None:
        self.arrays: tuple[Array, Array] = np.empty(shape, dtype), np.empty(shape, dtype)
        self.side = 0
        self.rows: NDArray[np.intp] | None = None

    def gather(self) -> None:
        """Put the rows that are still here into the other array."""
        assert self.rows is not None
        source, target = self.arrays[self.side], self.arrays[1 - self.side]
        # Any other mode than "raise" writes where it is told to, without an array in between.
        np.take(source, self.rows, axis=0, out=target[: len(self.rows)], mode="clip")
        self.side, self.rows = 1 - self.side, None


class _Bound(NamedTuple):
    """A segment bound to arrays of one batch size."""

    call: Callable[[], None]
    answer: Answer


class _Segment(NamedTuple):
    """A step with its arrays, and the bindings made so far."""

    step: Step
    takes: tuple[_Tensor, ...]
    gives: tuple[_Tensor, ...]
    keeps: tuple[_Tensor, ...]
    threshold: Array | None
    answer: dict[str, Array]
    straight: tuple[int, ...]
    bound: dict[tuple[int, tuple[int, ...]], _Bound]
