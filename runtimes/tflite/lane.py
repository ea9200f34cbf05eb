"""The lane of LiteRT: tensors lie in the interpreters, and are copied once from one to the next."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from calexnet.images.preprocessing import Preprocessing
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.lanes.lane import Answer, Lane
from calexnet.runtimes.steps import Step
from calexnet.runtimes.tflite.interpreter import Planned

if TYPE_CHECKING:
    from calexnet.runtimes.tflite.engine import TfliteEngine


class TfliteLane(Lane):
    """Interpreters of every segment, a few each, that this lane alone uses.

    LiteRT's Python interface cannot bind a tensor to memory from outside. So what a segment hands
    on stays in its interpreter until the next one's input is filled, straight or gathered: one copy
    either way. Changing the batch size of an interpreter costs some 0.1 ms in small segments and
    milliseconds in large ones, so small segments have one for each of several sizes.
    """

    def __init__(self, steps: Sequence[Step], preprocessing: Preprocessing, room: int) -> None:
        # Interpreters make room for any batch when they are planned for it.
        super().__init__(steps, preprocessing, max(room, self.most_rows(steps, preprocessing)))
        self._interpreters = [_Interpreters(step) for step in self.steps]
        self._held: dict[str, Array] = {}  # carried tensors, where they were made
        self._rows: dict[str, NDArray[np.intp]] = {}  # of these, who is still here, if not all

    @classmethod
    def most_rows(cls, steps: Sequence[Step], preprocessing: Preprocessing) -> int:
        """See `Lane`; no more than files of a fixed batch take."""
        fixed = [
            max(step.engine.record.buckets or ()) for step in steps if step.engine.record.buckets
        ]
        return min([super().most_rows(steps, preprocessing), *fixed])

    def use(self, thresholds: NDArray[np.float32]) -> None:
        """See `Lane`."""
        self.thresholds = thresholds

    def start(self, images: Array) -> None:
        """See `Lane`; the images are copied to the segments that read them."""
        self.rows = len(images)
        self._rows.clear()
        self._held["image"] = images

    def _run(self, segment: int, probabilities: bool) -> Answer:
        step = self.steps[segment]
        planned = self._filled(segment)
        if step.has_gate:
            assert self.thresholds is not None
            np.copyto(planned.inputs["threshold"], self.thresholds[segment])
        planned.invoke()
        for name in step.gives:
            self._held[name] = planned.outputs[name]
            self._rows.pop(name, None)
        answer = planned.outputs
        return Answer(answer["label"], answer["score"], answer.get("exit"), answer["probabilities"])

    def _filled(self, segment: int) -> Planned:
        planned = self._interpreters[segment].planned_for(self.rows)
        for name in self.steps[segment].takes:
            self._fill(planned.inputs[name], name)
        return planned

    def _fill(self, target: Array, name: str) -> None:
        rows = self._rows.get(name)
        if rows is None:
            np.copyto(target, self._held[name])
        else:
            # Any other mode than "raise" writes where it is told to, without an array in between.
            np.take(self._held[name], rows, axis=0, out=target, mode="clip")

    def keep(self, rows: NDArray[np.intp]) -> None:
        """See `Lane`; only noted here, and done when a tensor is read."""
        for name in self.steps[self.last].keeps:
            before = self._rows.get(name)
            self._rows[name] = rows if before is None else before[rows]
        self.rows = len(rows)

    def gather(self, segment: int) -> None:
        """See `Lane`; into the interpreter that is planned for who is left."""
        self._filled(segment)

    def end(self) -> None:
        """See `Lane`; whoever left early left the images here."""
        self._held.pop("image", None)


class _Interpreters:
    """Interpreters of one segment by the batch size they are planned for, the last used last."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._planned: OrderedDict[int, Planned] = OrderedDict()

    def planned_for(self, batch: int) -> Planned:
        planned = self._planned.get(batch)
        if planned is None:
            planned = self._spare()
            planned.plan(batch)
            self._planned[batch] = planned
        else:
            self._planned.move_to_end(batch)
        return planned

    def _spare(self) -> Planned:
        """Return one more interpreter, or the one longest unused if they are enough."""
        engine = cast("TfliteEngine", self._step.engine.opened())
        if len(self._planned) < engine.most_kept:
            return engine.lend()
        return self._planned.popitem(last=False)[1]
