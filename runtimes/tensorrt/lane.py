"""The lane of the GPU's memory: carried tensors stay there, and only the answers come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import TensorRecord
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.lanes.lane import Answer, Lane
from calexnet.runtimes.steps import Step
from calexnet.runtimes.tensorrt.cuda import Buffer, Cuda, Stream
from calexnet.runtimes.tensorrt.engine import Context, TensorRtEngine


class TensorRtLane(Lane):
    """Memory on the GPU for every tensor, a context a segment, and a stream of its own.

    What one segment writes is what the next one reads. Survivors are copied row by row, or run of
    rows by run of rows, into a second buffer when a segment is about to read them. The host waits
    for the stream once a segment: when it has to know who leaves.
    """

    def __init__(self, steps: Sequence[Step], preprocessing: Preprocessing, room: int) -> None:
        super().__init__(steps, preprocessing, room)
        engines = [cast("TensorRtEngine", step.engine) for step in self.steps]
        self._cuda = engines[0].cuda
        self._stream = Stream(self._cuda)
        self._contexts = [engine.context() for engine in engines]
        self._allocate()

    def _allocate(self) -> None:
        """Take memory for `room` samples."""
        gathered = {name for step in self.steps for name in step.keeps}
        self._tensors: dict[str, _Carried] = {}
        self._segments: list[_Segment] = []
        for step, context in zip(self.steps, self._contexts, strict=True):
            self._segments.append(self._segment(step, context, gathered))
        self._kept: tuple[str, ...] = ()  # what later segments read
        self._source: Array | None = None  # of `use`; a copy may read it until the next wait

    def grow(self, room: int) -> bool:
        """See `Lane`: its buffers make way for larger ones; contexts, which are dear, stay."""
        self._tensors, self._segments, self.thresholds = {}, [], None
        self.room = room
        self._allocate()
        return True

    @classmethod
    def most_rows(cls, steps: Sequence[Step], preprocessing: Preprocessing) -> int:
        """Return the largest batch that every engine was built for."""
        return min(cast("TensorRtEngine", step.engine).most for step in steps)

    def _segment(self, step: Step, context: Context, gathered: set[str]) -> _Segment:
        for name in (*step.takes, *step.gives):
            if name not in self._tensors:  # the image, or what this segment makes
                buffers = 2 if name in gathered else 1
                self._tensors[name] = _Carried(self._cuda, step.tensors[name], self.room, buffers)
        fixed = [name for name in step.tensors if name not in self._tensors]
        return _Segment(
            context,
            fixed={name: self._buffer(step.tensors[name]) for name in fixed},
            answer={
                name: np.empty(step.shape(name, self.room), step.tensors[name].dtype)
                for name in (*step.answers, "probabilities")
            },
        )

    def _buffer(self, tensor: TensorRecord) -> Buffer:
        return Buffer(self._cuda, tensor.bytes_for(self.room))

    def use(self, thresholds: NDArray[np.float32]) -> None:
        """See `Lane`."""
        gates = [s.fixed["threshold"] for s in self._segments if "threshold" in s.fixed]
        self._source = np.ascontiguousarray(thresholds)
        for gate, row in zip(gates, self._source, strict=True):
            self._cuda.copy_in(gate.address, row, self._stream)
        self.thresholds = thresholds

    def start(self, images: Array) -> None:
        """See `Lane`."""
        self.rows = len(images)
        image = self._tensors["image"]
        image.made()
        self._cuda.mark(self._stream)
        self._cuda.copy_in(image.address, images, self._stream)

    def _run(self, segment: int, probabilities: bool) -> Answer:
        step, mine = self.steps[segment], self._segments[segment]
        self._gather(step)
        for name in step.gives:
            self._tensors[name].made()
        addresses = {name: self._tensors[name].address for name in (*step.takes, *step.gives)}
        addresses |= {name: buffer.address for name, buffer in mine.fixed.items()}
        mine.context.enqueue(self.rows, addresses, self._stream)
        asked = (*step.answers, "probabilities") if probabilities else step.answers
        answer = {name: mine.answer[name][: self.rows] for name in asked}
        for name, array in answer.items():
            self._cuda.copy_out(array, addresses[name], self._stream)
        self._cuda.mark(self._stream)
        self._cuda.wait(self._stream)
        self._kept = step.keeps
        return Answer(
            answer["label"], answer["score"], answer.get("exit"), answer.get("probabilities")
        )

    def gather(self, segment: int) -> None:
        """See `Lane`."""
        self._gather(self.steps[segment])
        self._cuda.wait(self._stream)

    def _gather(self, step: Step) -> None:
        for name in step.takes:
            self._tensors[name].gather(self._cuda, self._stream)

    def keep(self, rows: NDArray[np.intp]) -> None:
        """See `Lane`; only noted here, and done when a tensor is read."""
        for name in self._kept:
            self._tensors[name].keep(rows)
        self.rows = len(rows)


class _Segment(NamedTuple):
    """A segment's context, and the memory that no other segment reads.

    Attributes:
        context: The way to run it.
        fixed: Its threshold and its answer, on the GPU.
        answer: The answer on the host.
    """

    context: Context
    fixed: dict[str, Buffer]
    answer: dict[str, Array]


class _Carried:
    """One carried tensor: the buffer that it is made in, and the one that it is gathered into.

    One that no later segment reads is never gathered, and has the first alone.
    """

    def __init__(self, cuda: Cuda, tensor: TensorRecord, room: int, buffers: int) -> None:
        self._row_bytes = tensor.bytes_for(1)
        self._buffers = tuple(Buffer(cuda, self._row_bytes * room) for _ in range(buffers))
        self._side = 0
        self._rows: NDArray[np.intp] | None = None  # who is still here; None = all, in order

    @property
    def address(self) -> int:
        """Where it is now."""
        return self._buffers[self._side].address

    def made(self) -> None:
        """Begin anew in the first buffer, with every row."""
        self._side, self._rows = 0, None

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Note which of the rows are still here."""
        self._rows = rows if self._rows is None else self._rows[rows]

    def gather(self, cuda: Cuda, stream: Stream) -> None:
        """Copy the rows that are still here to the front of the other buffer."""
        if self._rows is None:
            return
        source, target = self.address, self._buffers[1 - self._side].address
        for first, row, count in unbroken(self._rows):
            size = count * self._row_bytes
            to, origin = target + first * self._row_bytes, source + row * self._row_bytes
            cuda.copy_within(to, origin, size, stream)
        self._side, self._rows = 1 - self._side, None


def unbroken(rows: NDArray[np.intp]) -> Iterator[tuple[int, int, int]]:
    """Yield (position, row, count) for every run of consecutive numbers in the rising `rows`."""
    first = 0
    for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
        yield first, int(run[0]), len(run)
        first += len(run)
