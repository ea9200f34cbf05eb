"""The pool: everywhere that an image could leave, and what would be answered there.

A candidate is an ordered list of exits over one network or several, ``Chain``: a cascade, and with
one exit alone every static baseline too (plain, the network cut after a stage, another network).
Branches are trained independently of each other, so that answers recombine: what a chain does
follows from the answers of its exits, with nothing run again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.export.pool.document import Span
from calexnet.gating import ExitTable


@dataclass(frozen=True)
class Exit:
    """Where an image may leave.

    Attributes:
        network: Its name.
        place: The attach point; ``None`` = the network's end.
        head: The kind of branch there; ``None`` at the end, whose head is the network's own.
    """

    network: str
    place: str | None = None
    head: str | None = None


#: Exits in running order; the last one lets everybody out.
Chain = tuple[Exit, ...]


def pieces(chain: Chain) -> tuple[Span, ...]:
    """Return what a chain runs, one piece an exit: a network's first begins with the image."""
    found, before = [], Exit("")
    for one in chain:
        start = before.place if one.network == before.network else None
        found.append(Span(one.network, start, one.place, one.head))
        before = one
    return tuple(found)


@dataclass(frozen=True)
class Network:
    """One trained network with the places where it can be left.

    Attributes:
        name: Unique in the pool.
        places: Attach points in running order.
        stages: MACs of one image from place to place, one more than places.
        heads: MACs of every branch, by kind, one a place.
    """

    name: str
    places: tuple[str, ...]
    stages: tuple[int, ...]
    heads: Mapping[str, tuple[int, ...]]

    @property
    def macs(self) -> int:
        """Of one image, the network alone."""
        return sum(self.stages)

    def exits(self) -> Iterator[Exit]:
        """Yield everywhere that it could be left, its end last."""
        for place in self.places:
            yield from (Exit(self.name, place, head) for head in self.heads)
        yield Exit(self.name)


@dataclass(frozen=True)
class Said:
    """What one exit answers on the calibration part: labels int32 and scores float32 ``(n,)``."""

    labels: NDArray[np.int32]
    scores: NDArray[np.float32]


@dataclass(frozen=True)
class ExitPool:
    """Everything that can be combined.

    Attributes:
        networks: The smallest first.
        reference: Name of the network that accuracy is held against.
        classes: Their names.
        truth: int64 ``(n,)``: the right classes of the calibration part.
        said: What every exit answers there; an exit without answers cannot be taken.
        tested: How many images the test part has; nothing else of it is known here.
    """

    networks: tuple[Network, ...]
    reference: str
    classes: tuple[str, ...]
    truth: NDArray[np.int64]
    said: Mapping[Exit, Said]
    tested: int

    def network(self, name: str) -> Network:
        """Return the network of this name."""
        return next(one for one in self.networks if one.name == name)

    @property
    def plain(self) -> Chain:
        """The reference alone."""
        return (Exit(self.reference),)

    def rank(self, one: Exit) -> tuple[int, int]:
        """Return where an exit stands: by network, then by place. A chain's ranks rise."""
        place = [network.name for network in self.networks].index(one.network)
        known = self.networks[place].places
        return place, len(known) if one.place is None else known.index(one.place)

    def alone(self) -> Iterator[Chain]:
        """Yield every static baseline: each exit with no gate before it, the reference's first."""
        yield self.plain
        yield from ((one,) for one in self.exits() if (one,) != self.plain)

    def exits(self) -> tuple[Exit, ...]:
        """Return every exit in running order, those of one place by their heads' names."""
        return tuple(sorted(self.said, key=lambda one: (*self.rank(one), one.head or "")))

    def table(self, chain: Chain) -> ExitTable:
        """Return what the exits of a chain answer on the calibration part."""
        said = [self.said[one] for one in chain]
        return ExitTable(
            np.stack([one.labels for one in said]), np.stack([one.scores for one in said])
        )

    def right(self, one: Exit) -> NDArray[np.bool_]:
        """Return which calibration images an exit answers rightly, bool ``(n,)``."""
        return np.asarray(self.said[one].labels == self.truth)
