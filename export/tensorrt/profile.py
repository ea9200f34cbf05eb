"""For which batch sizes an engine is built: any from 1 to the largest, best at the expected one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from calexnet.manifest import TensorRecord

#: Smallest, best and largest shape of an input.
Shapes = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True)
class Profile:
    """The batch sizes of one engine.

    Attributes:
        best: The one that its kernels are chosen for.
        largest: The most that it takes; it takes every smaller one.
    """

    best: int
    largest: int

    def shapes(self, tensor: TensorRecord) -> Shapes | None:
        """Return what an input may look like, ``None`` for one without a batch axis."""
        if not tensor.has_batch:
            return None
        return tensor.shape_for(1), tensor.shape_for(self.best), tensor.shape_for(self.largest)


def profiles(exit_rates: Sequence[float], batches: Sequence[int]) -> tuple[Profile, ...]:
    """Return the profile of every segment, then that of the plain backbone.

    A segment is expected to see those of the largest batch that have not left before it.

    Args:
        exit_rates: Share of images that take each exit; they sum to 1.
        batches: What the cascade shall take.
    """
    largest = max(batches)
    arriving = [1.0 - sum(exit_rates[:index]) for index in range(len(exit_rates))]
    return tuple(Profile(max(1, round(largest * share)), largest) for share in (*arriving, 1.0))
