"""In which order the axes of a map lie in memory, and which one crosses a graph's border."""

from __future__ import annotations

#: Position i holds the ONNX axis that lies at i in memory.
Permutation = tuple[int, ...]

FIRST: Permutation = (0, 1, 2, 3)
LAST: Permutation = (0, 2, 3, 1)

_IMAGE = "image"


def order_at_border(name: str, rank: int) -> Permutation:
    """Return how an input or output lies: maps channels last, the image as the bundle says."""
    return LAST if rank == 4 and name != _IMAGE else tuple(range(rank))
