"""A batch through every segment with nobody leaving, each call kept to be made again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.runtimes.engines.base import Array, Engine
from calexnet.runtimes.steps import Step


@dataclass(frozen=True)
class SegmentCall:
    """One call of one segment, with all that it reads; it can be made again.

    Attributes:
        engine: The segment.
        feeds: Its inputs.
        outputs: Names of what it is asked for.
    """

    engine: Engine
    feeds: Mapping[str, Array]
    outputs: tuple[str, ...]

    def __call__(self) -> list[Array]:
        """Run the segment and return its outputs."""
        return self.engine.run(self.feeds, self.outputs)


def trace(
    steps: Sequence[Step], thresholds: NDArray[np.float32], images: Array, *, probabilities: bool
) -> list[tuple[SegmentCall, dict[str, Array]]]:
    """Return each segment's call for `images`, and its outputs.

    Args:
        steps: Of the cascade.
        thresholds: float32 ``(branches, classes)``.
        images: Checked; at least one.
        probabilities: Ask for these too.
    """
    state = {"image": images}
    more = ("probabilities",) if probabilities else ()
    seen = []
    for index, step in enumerate(steps):
        feeds = {name: state[name] for name in step.takes}
        if step.has_gate:
            feeds["threshold"] = thresholds[index]
        call = SegmentCall(step.engine, feeds, (*step.outputs, *more))
        outputs = dict(zip(call.outputs, call(), strict=True))
        state.update(outputs)
        seen.append((call, outputs))
    return seen
