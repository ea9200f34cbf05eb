"""From recorded answers to operating points: named threshold tables, and what they do.

Plain numpy, so that a board can calibrate again on its own engines' scores. Which thresholds is for
a rule to say (`calexnet.rules`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.certify import Counts, counts
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels, exit_rates, forcing
from calexnet.rules.base import Floats, Rule, share

#: By so much may shares that sum to 1 miss it.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class OperatingPoint:
    """One named threshold table and what it did on the calibration samples.

    Attributes:
        name: Unique in its cascade.
        setting: What the rule was set to: a margin, a slack, a threshold or a budget.
        thresholds: ``[branch][class]``; ``None`` = the class never exits there.
        exit_rates: Share of calibration samples that take each exit; they sum to 1.
        accuracy: Share of calibration samples that the cascade answers rightly.
        precisions: Of those leaving at each branch, the share answered rightly: what the
            thresholds promise. ``None`` where nobody left; empty if not recorded.
        counts: Calibration samples on which its answers and those of plain at full precision are
            not both right or both wrong; ``None`` if not recorded.
    """

    name: str
    setting: float
    thresholds: tuple[tuple[float | None, ...], ...]
    exit_rates: tuple[float, ...]
    accuracy: float
    precisions: tuple[float | None, ...] = ()
    counts: Counts | None = None

    def can_be(self, branches: int, classes: int) -> bool:
        """Tell whether it may be one of a cascade of so many branches and classes."""
        known = [share for share in self.precisions if share is not None]
        return (
            [len(row) for row in self.thresholds] == [classes] * branches
            and len(self.exit_rates) == branches + 1
            and all(0 <= share <= 1 for share in (*self.exit_rates, self.accuracy, *known))
            and abs(sum(self.exit_rates) - 1) < _ROUNDING
            and len(self.precisions) in (0, branches)
        )

    @property
    def early(self) -> float:
        """Share of calibration samples that leave before the last exit."""
        return sum(self.exit_rates[:-1])

    def table(self) -> Floats:
        """Return the thresholds as float32 ``(branches, classes)``, `NEVER` for ``None``.

        Without branches it is ``(0,)``.
        """
        rows = [[NEVER if t is None else t for t in row] for row in self.thresholds]
        return np.array(rows, dtype=np.float32)


@dataclass(frozen=True)
class CutNetwork:
    """What the network cut after a stage, with the head there and no gate, did on calibration.

    Attributes:
        accuracy: Share of calibration samples that it answers rightly.
        counts: Calibration samples on which its answers and those of plain at full precision are
            not both right or both wrong; ``None`` if not recorded.
    """

    accuracy: float
    counts: Counts | None


def cut_networks(
    exits: ExitTable, truth: NDArray[np.integer], reference: NDArray[np.bool_] | None = None
) -> tuple[CutNetwork, ...]:
    """Return the network cut after each stage that has a branch, the earliest first.

    Args:
        exits: Answers of all exits on calibration samples.
        truth: Integer ``(n,)``, the right classes.
        reference: See `operating_point`.
    """
    plain = exits.labels[-1] == truth if reference is None else reference
    right = [labels == truth for labels in exits.labels[:-1]]
    return tuple(
        CutNetwork(share(one), counts(plain, one) if len(truth) else None) for one in right
    )


def cut_point(name: str, number: int, shape: tuple[int, int], known: CutNetwork) -> OperatingPoint:
    """Return the network cut after a stage as an operating point: every sample leaves there.

    Args:
        name: See `OperatingPoint`.
        number: Of the stage, from 1.
        shape: Branches and classes.
        known: What it did on calibration samples.
    """
    branches, _ = shape
    here = [k == number for k in range(1, branches + 1)]
    return OperatingPoint(
        name=name,
        setting=0.0,
        thresholds=tuple(
            tuple(None if bar == NEVER else float(bar) for bar in row)
            for row in forcing(shape, number)
        ),
        exit_rates=(*map(float, here), 0.0),
        accuracy=known.accuracy,
        precisions=tuple(known.accuracy if leaves else None for leaves in here),
        counts=known.counts,
    )


def operating_point(
    name: str,
    setting: float,
    thresholds: Floats,
    exits: ExitTable,
    truth: NDArray[np.integer],
    reference: NDArray[np.bool_] | None = None,
) -> OperatingPoint:
    """Return the named table with what it does on the samples given.

    Args:
        name: See `OperatingPoint`.
        setting: Likewise.
        thresholds: float32 ``(branches, classes)``.
        exits: Answers of all exits.
        truth: Integer ``(n,)``, the right classes.
        reference: Which samples plain at full precision answers rightly, bool ``(n,)``; by default
            that is the last exit.
    """
    taken = choose_exits(exits, thresholds)
    right = chosen_labels(exits, taken) == truth
    plain = exits.labels[-1] == truth if reference is None else reference
    leaving = [taken == branch + 1 for branch in range(exits.branches)]
    return OperatingPoint(
        name=name,
        setting=setting,
        thresholds=tuple(
            tuple(None if np.isinf(t) and t > 0 else float(t) for t in row) for row in thresholds
        ),
        exit_rates=tuple(float(rate) for rate in exit_rates(taken, exits.branches + 1)),
        accuracy=share(right),
        precisions=tuple(share(right[left]) if left.any() else None for left in leaving),
        counts=counts(plain, right) if len(truth) else None,
    )


def class_hits(
    thresholds: Floats, exits: ExitTable, truth: NDArray[np.integer]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return how many leave at each branch under each answer, and how many of them rightly.

    Args:
        thresholds: float32 ``(branches, classes)``.
        exits: Answers of all exits.
        truth: Integer ``(n,)``, the right classes.

    Returns:
        Two arrays ``(branches, classes)``; a class is the one that is answered.
    """
    taken = choose_exits(exits, thresholds)
    left, right = (np.zeros(thresholds.shape, np.intp) for _ in range(2))
    for branch, answers in enumerate(exits.labels[:-1]):
        here = taken == branch + 1
        left[branch] = np.bincount(answers[here], minlength=thresholds.shape[1])
        right[branch] = np.bincount(
            answers[here & (answers == truth)], minlength=thresholds.shape[1]
        )
    return left, right


def point_name(rule: Rule, setting: float) -> str:
    """Return the name of the operating point made for `setting`, such as ``margin-0.05``."""
    return f"{rule.kind}-{setting:g}"


def operating_points(
    exits: ExitTable,
    truth: NDArray[np.integer],
    settings: Sequence[float],
    *,
    classes: int,
    rule: Rule,
    reference: NDArray[np.bool_] | None = None,
) -> tuple[OperatingPoint, ...]:
    """Return one operating point a setting, in rising order; see `operating_point`."""
    points = []
    for setting in sorted(set(settings)):
        table = rule.calibrate(exits, truth, classes, setting)
        name = point_name(rule, setting)
        points.append(operating_point(name, setting, table, exits, truth, reference))
    return tuple(points)
