"""The lane of layout `if`: one image through one graph, which decides by itself where to leave."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calexnet.images.preprocessing import Preprocessing
from calexnet.runtimes.engines.base import Array
from calexnet.runtimes.lanes.lane import Answer, Lane
from calexnet.runtimes.steps import Step


class IfLane(Lane):
    """Arrays that the graph is bound to once, for one image: an ``If`` asks one question."""

    def __init__(self, steps: Sequence[Step], preprocessing: Preprocessing, room: int) -> None:
        super().__init__(steps, preprocessing, room)
        (step,) = self.steps
        arrays = {name: np.empty(step.shape(name, 1), t.dtype) for name, t in step.tensors.items()}
        self._feeds = {name: arrays[name] for name in ("image", "thresholds")}
        outputs = {name: arrays[name] for name in ("label", "score", "exit", "probabilities")}
        self._call = step.engine.bind(self._feeds, outputs)
        self._answer = Answer(
            outputs["label"], outputs["score"], None, outputs["probabilities"], outputs["exit"]
        )

    @classmethod
    def most_rows(cls, steps: Sequence[Step], preprocessing: Preprocessing) -> int:
        """One; a batch goes through image by image."""
        return 1

    def use(self, thresholds: NDArray[np.float32]) -> None:
        """See `Lane`."""
        self._feeds["thresholds"][...] = thresholds
        self.thresholds = thresholds

    def start(self, images: Array) -> None:
        """See `Lane`."""
        self.rows = len(images)
        np.copyto(self._feeds["image"], images)

    def _run(self, segment: int, probabilities: bool) -> Answer:
        self._call()
        return self._answer

    def keep(self, rows: NDArray[np.intp]) -> None:
        """Do nothing: one image is all or nothing."""

    def gather(self, segment: int) -> None:
        """Do nothing, likewise."""
