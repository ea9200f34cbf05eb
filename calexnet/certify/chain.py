"""Certificates: "with 95 % confidence it loses at most one point on images like these".

Candidates are put in one order on the calibration part, then tested in that order on the test part,
which chose nothing. Each test is a non-inferiority test at the whole alpha; the chain ends at the
first failure, so that all who passed hold together with that confidence (a fixed-sequence test:
Maurer, Hothorn and Lehmacher 1995). Facts only; who reads them makes the words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.certify import betting, noninferiority
from calexnet.errors import InputError

#: What became of a candidate; ``left out``: beyond the longest chain.
Outcome = Literal["passed", "failed", "not reached", "left out"]

#: Most candidates of a chain.
LONGEST = 10

#: Confidence of certificates and bounds unless told otherwise.
CONFIDENCE = 0.95

#: Most images that `images_needed` speaks of, and from how many on the score statistic is enough.
_MOST_IMAGES, _MANY_IMAGES = 1_000_000, 5_000


@dataclass(frozen=True)
class Counts:
    """What two networks answered to the same labelled images: a reference, and another.

    Attributes:
        images: How many they were asked.
        harmed: Those that only the reference answers rightly.
        helped: Those that only the other answers rightly.
    """

    images: int
    harmed: int
    helped: int

    def __post_init__(self) -> None:
        """Check that the counts can be.

        Raises:
            ValueError: They cannot.
        """
        if min(self.images - 1, self.harmed, self.helped) < 0 or self.apart > self.images:
            raise ValueError(
                f"no such counts of at least one image: {self.harmed} harmed and {self.helped} "
                f"helped of {self.images}"
            )

    @property
    def apart(self) -> int:
        """Images that one of the two alone answers rightly."""
        return self.harmed + self.helped

    @property
    def drop(self) -> float:
        """Accuracy of the reference less the other's, a share."""
        return (self.harmed - self.helped) / self.images

    @property
    def swapped(self) -> Counts:
        """The same with the other as the reference."""
        return Counts(self.images, self.helped, self.harmed)


@dataclass(frozen=True)
class Candidate:
    """One network that could be shipped, beside the reference.

    Attributes:
        name: Unique.
        calibration: Against the reference on the calibration part; ``None`` if nobody knows.
        test: Against the reference on the test part.
        drops: Where images belong together, every group's drop there (`betting.group_drops`): then
            their mean is what is tested, and not `test`, which takes each image by itself.
    """

    name: str
    calibration: Counts | None
    test: Counts
    drops: tuple[float, ...] | None = None

    def p(self, max_drop: float, alpha: float) -> float:
        """Return the p-value, on the test part, of "loses `max_drop` or more"."""
        if self.drops is None:
            return p_value(self.test, max_drop, alpha)
        return betting.p_value(np.array(self.drops), max_drop, alpha)


@dataclass(frozen=True)
class Link:
    """A candidate's place in a chain and what became of it.

    Attributes:
        name: The candidate's.
        calibration: Its counts on the calibration part.
        calibration_p: The p-value there, by which the chain is ordered; ``None`` without counts.
        test: Its counts on the test part.
        p: The p-value there; ``None`` if it was not tested.
        outcome: What became of it.
    """

    name: str
    calibration: Counts | None
    calibration_p: float | None
    test: Counts
    p: float | None
    outcome: Outcome


@dataclass(frozen=True)
class Chain:
    """Candidates in the order in which they were tested.

    Attributes:
        max_drop: Share of accuracy that may be lost.
        alpha: Of the whole chain: who passed has lost more with at most this probability.
        links: In that order.
    """

    max_drop: float
    alpha: float
    links: tuple[Link, ...]

    @property
    def passed(self) -> tuple[str, ...]:
        """Names of those that are certified; the cheapest of them ships."""
        return tuple(link.name for link in self.links if link.outcome == "passed")


@dataclass(frozen=True)
class Certificates:
    """What is certified, of a bundle's own candidates and of rivals.

    Attributes:
        own: The chain of the bundle's candidates.
        rivals: That of the rivals, ``None`` without any.
    """

    own: Chain
    rivals: Chain | None

    @property
    def passed(self) -> tuple[str, ...]:
        """Names of all that are certified together, the bundle's own first."""
        return self.own.passed + (() if self.rivals is None else self.rivals.passed)


def counts(reference: NDArray[np.bool_], other: NDArray[np.bool_]) -> Counts:
    """Return the counts of two networks, from which images each answers rightly: bool ``(n,)``."""
    return Counts(len(reference), int((reference & ~other).sum()), int((~reference & other).sum()))


@lru_cache(maxsize=4096)
def p_value(found: Counts, max_drop: float, alpha: float = 1 - CONFIDENCE) -> float:
    """Return the exact p-value of the hypothesis that the true drop is `max_drop` or more.

    Args:
        found: On images that had no part in choosing the network.
        max_drop: A share, -1..1.
        alpha: What it is held against (`noninferiority.p_value`).
    """
    return noninferiority.p_value(found.images, found.harmed, found.helped, max_drop, alpha)


@lru_cache(maxsize=4096)
def upper_bound(found: Counts, alpha: float = 1 - CONFIDENCE) -> float:
    """Return what the true drop is at most, with confidence 1 - `alpha`: a share, -1..1.

    The smallest drop that `p_value` certifies; under 0 it is a gain for sure.
    """
    return noninferiority.upper_bound(found.images, found.harmed, found.helped, alpha)


def lower_bound(found: Counts, alpha: float = 1 - CONFIDENCE) -> float:
    """Return what the true drop is at least, with confidence 1 - `alpha`: a share, -1..1."""
    return -upper_bound(found.swapped, alpha)


def images_needed(found: Counts, max_drop: float, alpha: float = 1 - CONFIDENCE) -> int | None:
    """Return how many images like these would certify `max_drop`, if the shares stay as they are.

    To a percent or one image, and at most a million; ``None`` if no number of them would. As these
    images may be lucky or unlucky, so may those: it is where certifying gets likely, no promise.
    """
    if found.drop >= max_drop:
        return None
    low, high = 0, found.images
    while not _certain(_scaled(found, high), max_drop, alpha):
        low, high = high, 2 * high
        if low >= _MOST_IMAGES:
            return None
    while high - low > max(1, high // 100):
        middle = (low + high) // 2
        sure = _certain(_scaled(found, middle), max_drop, alpha)
        low, high = (low, middle) if sure else (middle, high)
    return high


def _scaled(found: Counts, images: int) -> Counts:
    """Return the counts at the same shares, rounded to the reference's favour."""
    share = images / found.images
    harmed = min(ceil(found.harmed * share), images)
    return Counts(images, harmed, min(floor(found.helped * share), images - harmed))


def _certain(found: Counts, max_drop: float, alpha: float) -> bool:
    if found.images <= _MANY_IMAGES:
        return p_value(found, max_drop, alpha) <= alpha
    harmed, helped = np.array([found.harmed]), np.array([found.helped])
    score = noninferiority.score(harmed, helped, found.images, max_drop)[0]
    return bool(score <= noninferiority.quantile(alpha))


def certify(
    candidates: Sequence[Candidate],
    max_drop: float,
    *,
    rivals: Sequence[Candidate] = (),
    alpha: float = 1 - CONFIDENCE,
) -> Certificates:
    """Return which candidates lose less than `max_drop`, all of them at once at `alpha`.

    Args:
        candidates: Without the reference, which loses nothing. Those with calibration counts are
            tested by rising p-value there, ties by name; then the others in the order given,
            which must not come from the test part (a manifest's: the strictest first).
        max_drop: A share, 0..1.
        rivals: From outside; likewise, in a chain of their own. Each chain then has half of
            `alpha`; without rivals the first has all of it.
        alpha: 1 - confidence.

    Raises:
        InputError: `max_drop` is no such share.
    """
    if not 0 <= max_drop <= 1:
        raise InputError(
            "the accuracy that may be lost cannot be used",
            got=f"{100 * max_drop:g} points",
            expected="0 to 100 points",
        )
    each = alpha / 2 if rivals else alpha
    return Certificates(
        _chain(candidates, max_drop, each), _chain(rivals, max_drop, each) if rivals else None
    )


def _chain(candidates: Sequence[Candidate], max_drop: float, alpha: float) -> Chain:
    links: list[Link] = []
    ended = False
    for one, surely in _ordered(candidates, max_drop, alpha):
        p: float | None = None
        outcome: Outcome = "left out" if len(links) >= LONGEST else "not reached"
        if not ended and outcome == "not reached":
            p = one.p(max_drop, alpha)
            outcome = "passed" if p <= alpha else "failed"
            ended = outcome == "failed"
        links.append(Link(one.name, one.calibration, surely, one.test, p, outcome))
    return Chain(max_drop, alpha, tuple(links))


def _ordered(
    candidates: Sequence[Candidate], max_drop: float, alpha: float
) -> list[tuple[Candidate, float | None]]:
    """Return the candidates in the order of their tests, each with its p-value on calibration."""
    counted = [(one.calibration, one) for one in candidates if one.calibration is not None]
    known = [(p_value(found, max_drop, alpha), one) for found, one in counted]
    known.sort(key=lambda pair: (pair[0], pair[1].name))
    unknown = [one for one in candidates if one.calibration is None]
    return [(one, p) for p, one in known] + [(one, None) for one in unknown]
