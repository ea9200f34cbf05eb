"""Engines on LiteRT, or on its predecessor tflite-runtime where that is what there is."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from calexnet.manifest import GraphRecord
from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.tflite.interpreter import Planned

#: About how many bytes of weights the interpreters of one engine may hold; each has its own copy.
_KEPT_BYTES = 32 * 2**20
_MOST_KEPT = 8


class TfliteEngine(Engine):
    """One flatbuffer in interpreters, of which no two threads ever share one.

    An interpreter is planned for one batch size, and changing that costs a fraction of a
    millisecond. So small engines keep several, one a batch size; in large ones that is nothing
    beside the run itself, and the memory for a second copy of the weights is much.

    Args:
        record: What the manifest says of it.
        make: Gives one more interpreter.

    Attributes:
        most_kept: How many interpreters are worth keeping, for as many batch sizes.
    """

    target = "tflite"

    def __init__(self, record: GraphRecord, make: Callable[[], Any]) -> None:
        super().__init__(record)
        self._make = make
        self._lock = threading.Lock()
        self.most_kept = min(_MOST_KEPT, max(1, _KEPT_BYTES // record.file.size))
        self._most = self.most_kept
        self._busy = 0
        self._idle = [Planned(record, make())]

    def _run(self, feeds: Mapping[str, Array], outputs: Sequence[str]) -> list[Array]:
        batch = self._batch(feeds)
        if not self.record.buckets or batch in self.record.buckets:
            with self._one_for(batch) as planned:
                return planned.run(batch, feeds, outputs)
        parts = [self._run(part, outputs) for part in self._one_by_one(feeds, batch)]
        return [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]

    def _one_by_one(self, feeds: Mapping[str, Array], batch: int) -> Iterator[dict[str, Array]]:
        """Yield the samples of a batch that a file of a fixed batch does not take at once."""
        batched = {t.name for t in self.record.inputs if t.has_batch}
        for row in range(batch):
            yield {n: a[row : row + 1] if n in batched else a for n, a in feeds.items()}

    def bind(self, feeds: Mapping[str, Array], outputs: Mapping[str, Array]) -> Callable[[], None]:
        """Give the call an interpreter of its own, planned once; unless the weights are large."""
        if self.most_kept == 1 or self.record.buckets:
            return super().bind(feeds, outputs)
        planned = self.lend()
        planned.plan(self._batch(feeds))
        taken = [(planned.inputs[name], array) for name, array in feeds.items()]
        given = [(array, planned.outputs[name]) for name, array in outputs.items()]

        def call() -> None:
            for target, source in taken:
                np.copyto(target, source)
            planned.invoke()
            for target, source in given:
                np.copyto(target, source)

        return call

    def _batch(self, feeds: Mapping[str, Array]) -> int:
        return next(len(feeds[t.name]) for t in self.record.inputs if "n" in t.shape)

    def lend(self) -> Planned:
        """Return an interpreter that is the caller's from now on."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Planned(self.record, self._make())

    @contextmanager
    def _one_for(self, batch: int) -> Iterator[Planned]:
        """Yield an interpreter that is nobody else's, if it can be one planned for `batch`."""
        with self._lock:
            planned = self._take(batch)
            self._busy += 1
            # As many as have been needed at once are kept.
            self._most = max(self._most, self._busy)
        try:
            planned = planned or Planned(self.record, self._make())
            yield planned
        except BaseException:
            planned = None  # it is in no known state
            raise
        finally:
            with self._lock:
                self._busy -= 1
                if planned is not None:
                    self._idle.append(planned)
                    del self._idle[: -self._most]

    def _take(self, batch: int) -> Planned | None:
        """Take an idle interpreter: the fitting one, or the one longest idle if they are enough."""
        fitting = [planned for planned in self._idle if planned.batch in (batch, None)]
        enough = len(self._idle) + self._busy >= self._most
        if not fitting and not (enough and self._idle):
            return None
        planned = fitting[-1] if fitting else self._idle[0]
        self._idle.remove(planned)
        return planned
