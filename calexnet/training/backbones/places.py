"""Where branches could go on a network that nobody here knows, whatever it is written in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Shares of the network's work at which branches are wanted.
_WANTED = (0.25, 0.5, 0.75)

#: Behind this share hardly anything is left to save.
LATEST = 0.9


@dataclass(frozen=True)
class Place:
    """What a branch could be attached to.

    Attributes:
        name: Of a module, or of a tensor.
        work: Share of the network's MACs that lies up to it.
        tensors: How many would be carried over a cut there.
        bytes: Of these, an image, in float32.
        shape: Of one image's features.
    """

    name: str
    work: float
    tensors: int
    bytes: int
    shape: tuple[int, ...]


def spread(places: Sequence[Place]) -> tuple[Place, ...]:
    """Return the places nearest to the shares of work that are wanted, each once.

    Args:
        places: In running order.
    """
    late = list(reversed(places))  # of layers at the same share the last: behind its activation
    nearest = [min(late, key=lambda place: abs(place.work - share)) for share in _WANTED if late]
    return tuple(dict.fromkeys(nearest))
