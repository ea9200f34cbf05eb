"""The contract of a lane: where the tensors of one batch live on their way through a cascade.

The runner's loop (`calexnet.runtimes.runner`) decides who leaves and who is gathered; it never sees
a carried tensor. A lane has these, and engines bound to them. Host memory is `HostLane`, in
`calexnet.runtimes.lanes.host`; a runtime whose tensors live elsewhere brings a lane of its own, as
its `calexnet.runtimes.contract.Runtime` says.

What a variant must provide:

==================  ==============================================================================
``__init__``        Memory for `room` samples, allocated once: inputs and carried tensors of every
                    segment, its threshold, its answer.
``use``             Another threshold table, copied to where the gates read it.
``start``           A batch of images, at most `room`, copied in. It may be changed afterwards.
``_run``            One segment on the samples that are in the lane: its carried tensors stay where
                    they are made and are read there by whoever reads them next. Only the answer
                    comes back, in host arrays of just those samples. They may be views into memory
                    that the next call writes.
``keep``            Gather the survivors: of every tensor that a later segment reads the given rows,
                    rising. What follows sees these samples alone. It may be put off until a
                    tensor is read. Called only when the loop finds that gathering pays; otherwise
                    the lane runs on with rows whose answers nobody reads any more.
``gather``          What `keep` put off for one segment, now: so that it can be timed.
``end``             Optional: let go of what is the caller's, when the batch is through.
``most_rows``       Optional: the largest batch at once; larger ones come in chunks.
``grow``            Optional: make room for larger batches, where making a lane anew costs more.
==================  ==============================================================================

A lane is for one thread at a time; a pool gives each call one that nobody else has. One that failed
in mid-batch is thrown away, so nothing has to be put right after an error.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import CalexnetError
from calexnet.images.preprocessing import Preprocessing
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.steps import Step

#: About how many bytes the carried tensors of one lane may take.
ROOM_BYTES = 256 * 2**20
#: How many bytes a segment may write in one call, all its activations together. The runtime uses
#: most of that memory again and again: what it takes at once is several times less.
WORK_BYTES = 1024 * 2**20


class Answer(NamedTuple):
    """What one exit answers for the samples in a lane; good until the lane is used again.

    Attributes:
        label: int32 ``(n,)``.
        score: float32 ``(n,)``.
        exit: bool ``(n,)``; ``None`` where everyone leaves.
        probabilities: float32 ``(n, classes)``; may be ``None`` unless asked for.
        number: int32 ``(n,)``, the exit of each, from a graph that holds them all; ``None`` where
            a segment has but one.
    """

    label: NDArray[np.int32]
    score: NDArray[np.float32]
    exit: NDArray[np.bool_] | None
    probabilities: NDArray[np.float32] | None
    number: NDArray[np.int32] | None = None


class Lane(ABC):
    """Memory for one batch at a time, and the engines bound to it. For one thread.

    Args:
        steps: Of the cascade.
        preprocessing: What images look like.
        room: Samples to have memory for.

    Attributes:
        rows: How many samples are in it now; those who left count until they are gathered away.
        thresholds: The table in use, float32 ``(branches, classes)``.
        last: The segment that was run last: what `keep` gathers is what that one's step keeps.
    """

    def __init__(self, steps: Sequence[Step], preprocessing: Preprocessing, room: int) -> None:
        self.steps = tuple(steps)
        self.preprocessing = preprocessing
        self.room = room
        self.rows = 0
        self.thresholds: NDArray[np.float32] | None = None
        self.last = 0

    @classmethod
    def most_rows(cls, steps: Sequence[Step], preprocessing: Preprocessing) -> int:
        """Return the largest batch to take at once, for `ROOM_BYTES` and `WORK_BYTES`.

        A segment whose work was not counted is taken to fit.
        """
        row_bytes = int(np.prod(preprocessing.batch_shape())) * preprocessing.dtype.itemsize
        for step in steps:
            for name in step.gives:
                dtype = np.dtype(step.tensors[name].dtype)
                row_bytes += 2 * int(np.prod(step.shape(name, 1))) * dtype.itemsize
        counted = [step.engine.record.counts for step in steps]
        # What is moved is written once and read about once.
        work_bytes = max((c.activation_bytes // 2 for c in counted if c is not None), default=0)
        return max(1, min(ROOM_BYTES // row_bytes, WORK_BYTES // max(1, work_bytes)))

    def grow(self, room: int) -> bool:
        """Make room for so many samples, of an idle lane; return whether it can."""
        return False

    @abstractmethod
    def use(self, thresholds: NDArray[np.float32]) -> None:
        """Let the gates compare with another table, and keep it in `thresholds`."""

    @abstractmethod
    def start(self, images: Array) -> None:
        """Take in a batch of at most `room` images, checked already."""

    def run(self, segment: int, *, probabilities: bool = False) -> Answer:
        """Run one segment, counted from 0, on the samples in the lane; return its answer.

        Raises:
            EngineError: The runtime failed.
            BundleError: The segment was to be opened now, and cannot be.
        """
        self.last = segment
        try:
            return self._run(segment, probabilities)
        except CalexnetError:  # a segment that was to be opened later cannot be
            raise
        except Exception as problem:  # each runtime has its own kinds
            step = self.steps[segment]
            shapes = {name: step.shape(name, self.rows) for name in step.takes}
            raise step.engine.failure(problem, shapes) from problem

    @abstractmethod
    def _run(self, segment: int, probabilities: bool) -> Answer:
        """Do what `run` says, raising whatever the runtime raises."""

    @abstractmethod
    def keep(self, rows: NDArray[np.intp]) -> None:
        """Gather survivors: `rows`, rising, of the samples in the lane."""

    @abstractmethod
    def gather(self, segment: int) -> None:
        """Do what `keep` put off for what a segment reads, and wait for it."""

    def end(self) -> None:  # noqa: B027  (most lanes have nothing to let go of)
        """Let go of the images: the batch is through."""
