"""The promise: one chain of exact tests on images that chose nothing.

The order is fixed on calibration images, by the builds' own answers: the surest first, as far as
the first that fails. Who costs more than one that is surer is not tested: if that one passes it
ships instead, and if it fails the chain has ended. Where classes have limits of their own, a
contender has to pass every test at the whole alpha (an intersection of hypotheses needs no share of
it: Berger 1982), and the chain ends at the first that does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet import certify
from calexnet.calibration import OperatingPoint
from calexnet.certify import CONFIDENCE, Candidate, Counts
from calexnet.choosing.choice import ClassLimit, ClassTest, Standing
from calexnet.gating import choose_exits, chosen_labels
from calexnet.runtimes.runner import Runner

ALPHA = 1 - CONFIDENCE

Labels = NDArray[np.int32]

#: Images that are asked at a time.
_BATCH = 64


def answers(
    runner: Runner, images: NDArray[np.uint8], points: Sequence[OperatingPoint | None]
) -> dict[str | None, Labels]:
    """Return what a build answers: by operating point, and ``None`` for its network alone.

    Args:
        runner: Of the build.
        images: uint8 ``(n, H, W, C)``.
        points: Those of the build that matter; ``None`` among them = the network alone.
    """
    found: dict[str | None, Labels] = {}
    if None in points:
        parts = [runner.plain(images[k : k + _BATCH]) for k in range(0, len(images), _BATCH)]
        found[None] = np.concatenate([part.labels for part in parts])
    gated = [point for point in points if point is not None]
    if gated:
        table = runner.ask_every_exit(images)
        for point in gated:
            found[point.name] = chosen_labels(table, choose_exits(table, point.table()))
    return found


@dataclass(frozen=True)
class Part:
    """A part of the data as the reference answers it.

    Attributes:
        truth: int64 ``(n,)``.
        reference: Which images the reference answers rightly, bool ``(n,)``.
        classes: Names in label order.
    """

    truth: NDArray[np.int64]
    reference: NDArray[np.bool_]
    classes: tuple[str, ...]

    def counts(self, labels: Labels, name: str | None = None) -> Counts:
        """Return how answers stand against the reference's, of one class alone if it is named."""
        rows = slice(None) if name is None else self.truth == self.classes.index(name)
        return certify.counts(self.reference[rows], (labels == self.truth)[rows])


@dataclass(frozen=True)
class Held:
    """A contender as it is tested.

    Attributes:
        name: Unique.
        cost: What is made small.
        expected: Its counts on calibration images as the search had them, by cross-fitting: its
            thresholds had no part in these.
        calibration: Its own, overall and (by name) of the classes with limits.
        test: Likewise on the test part.
    """

    name: str
    cost: float
    expected: Counts
    calibration: Mapping[str | None, Counts]
    test: Mapping[str | None, Counts]


@dataclass(frozen=True)
class Tested:
    """What became of one."""

    standing: Standing
    p: float | None
    upper: float | None
    by_class: tuple[ClassTest, ...]


def promised(
    held: Sequence[Held], max_drop: float, classes: Sequence[ClassLimit], most: float
) -> dict[str, Tested]:
    """Return what became of every contender, by name, in the order of the tests.

    Args:
        held: Contenders that keep all limits, without the reference.
        max_drop: Share of accuracy that may be lost.
        classes: What single classes may lose.
        most: Cost of the reference, which needs no test; infinite if it breaks a limit.
    """
    limits: dict[str | None, float] = {
        None: max_drop,
        **{one.name: one.max_drop for one in classes},
    }
    order = _useful(held, limits, most)
    # Without counts on calibration images a chain is tested in the order given.
    chains = {
        name: certify.certify(
            [Candidate(one.name, None, one.test[name]) for one in order], limit
        ).own
        for name, limit in limits.items()
    }
    passed = min((len(chain.passed) for chain in chains.values()), default=0)
    found = {}
    for place, one in enumerate(order):
        links = {name: chain.links[place] for name, chain in chains.items()}
        reached = place <= passed
        p = links[None].p if reached else None
        standing: Standing = "passed" if place < passed else "failed"
        if not reached:
            standing = "left out" if links[None].outcome == "left out" else "not reached"
        found[one.name] = Tested(
            standing,
            p,
            certify.upper_bound(one.test[None]) if reached else None,
            tuple(
                ClassTest(name, link.test, link.p if reached else None, link.outcome)
                for name, link in links.items()
                if name is not None
            ),
        )
    return found


def _useful(held: Sequence[Held], limits: Mapping[str | None, float], most: float) -> list[Held]:
    """Return who is worth a test, the surest first: each costs less than all that are surer.

    As sure as the least of its counts: its own flatter thresholds that were found on them.
    """

    def doubt(one: Held) -> float:
        seen = [(one.expected, limits[None])]
        seen += [(one.calibration[name], limit) for name, limit in limits.items()]
        return max(certify.p_value(found, limit) for found, limit in seen)

    found = []
    for one in sorted(held, key=lambda one: (doubt(one), one.cost, one.name)):
        if one.cost < most:
            most = one.cost
            found.append(one)
    return found
