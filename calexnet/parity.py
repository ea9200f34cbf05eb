"""Decision parity: where two builds of one cascade answer or leave differently, and how narrowly.

Plain numpy. Two builds are compared on the same real samples, each with its own thresholds: a flip
is a decision that a user would see change. Its margin says how far the reference was from deciding
likewise, so that a coin toss is told from a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calexnet.gating import ExitTable, choose_exits, chosen_labels

Floats = NDArray[np.float32]

#: Largest score difference at fp32 that counts as rounding. Scores are at most 1; runtimes sum in
#: different orders.
BOUND = 1e-4

#: Above this share of decisions that rounding may tip, agreement says little.
WEAK = 0.01


@dataclass(frozen=True)
class ExitFlips:
    """What differs at one exit.

    Attributes:
        label_margins: For each answer that differs, how much likelier the reference held its own
            answer than the other one; largest first.
        exit_margins: For each sample that leaves here on one side alone, how far the reference's
            score was from its threshold (1 where the class never exits); largest first.
    """

    label_margins: tuple[float, ...]
    exit_margins: tuple[float, ...]


@dataclass(frozen=True)
class Parity:
    """How closely one build followed another on real samples, at the default operating point.

    Attributes:
        reference: What it was compared with.
        samples: How many real samples were run.
        bound: Largest score difference that counts as rounding.
        score_difference: Largest one seen, over all exits.
        exits: What differs, exit by exit; the last is the backbone's own head.
        plain_margins: Label margins of the plain backbone.
        within_bound: Share of decisions, over all operating points, whose score lies within `bound`
            of its threshold, so that rounding may decide them.
        reference_accuracy: Share of the samples that the reference's cascade answers rightly.
        accuracy: Share that this build's does.
    """

    reference: str
    samples: int
    bound: float
    score_difference: float
    exits: tuple[ExitFlips, ...]
    plain_margins: tuple[float, ...]
    within_bound: float
    reference_accuracy: float
    accuracy: float

    @property
    def label_flips(self) -> int:
        """Answers that differ, over all exits and samples, plain apart."""
        return sum(len(flips.label_margins) for flips in self.exits)

    @property
    def exit_flips(self) -> int:
        """Samples that leave elsewhere."""
        return sum(len(flips.exit_margins) for flips in self.exits)

    @property
    def is_weak(self) -> bool:
        """Whether so many decisions lie within rounding that agreement says little."""
        return self.within_bound > WEAK

    @property
    def is_rounding(self) -> bool:
        """Whether every difference is one that rounding explains: the bar at fp32.

        A label flips if two probabilities move towards each other, each by up to the bound.
        """
        labels = [m for flips in self.exits for m in flips.label_margins]
        exits = [m for flips in self.exits for m in flips.exit_margins]
        return (
            self.score_difference <= self.bound
            and max((*labels, *self.plain_margins), default=0.0) <= 2 * self.bound
            and max(exits, default=0.0) <= self.bound
        )


@dataclass(frozen=True)
class Answers:
    """What every exit of one build answers for some samples, and its plain backbone.

    Attributes:
        exits: Labels and scores.
        probabilities: float32 ``(exits, n, classes)``.
        plain_labels: int32 ``(n,)``.
        plain_scores: float32 ``(n,)``.
    """

    exits: ExitTable
    probabilities: Floats
    plain_labels: NDArray[np.int32]
    plain_scores: Floats

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        """Return the answers for all samples of `parts`, in order."""
        return cls(
            ExitTable(
                np.concatenate([part.exits.labels for part in parts], axis=1),
                np.concatenate([part.exits.scores for part in parts], axis=1),
            ),
            np.concatenate([part.probabilities for part in parts], axis=1),
            np.concatenate([part.plain_labels for part in parts]),
            np.concatenate([part.plain_scores for part in parts]),
        )

    def lead(self, exit_index: int, labels: NDArray[np.int32]) -> Floats:
        """Return how much likelier an exit holds its own answers than `labels`: ``(n,)``."""
        table, rows = self.probabilities[exit_index], np.arange(len(labels))
        return np.asarray(table.max(1) - table[rows, labels], dtype=np.float32)


@dataclass(frozen=True)
class Side:
    """One of the two builds compared.

    Attributes:
        name: For the record.
        answers: On the samples.
        thresholds: float32 ``(branches, classes)``, of the default operating point.
    """

    name: str
    answers: Answers
    thresholds: Floats


def compare(
    reference: Side,
    found: Side,
    truth: NDArray[np.integer],
    tables: Sequence[Floats],
) -> Parity:
    """Return how closely `found` follows `reference`.

    Args:
        reference: What is held to be right.
        found: What is judged.
        truth: Integer ``(n,)``.
        tables: The reference's thresholds at all operating points.
    """
    theirs, ours = reference.answers.exits, found.answers.exits
    wanted = choose_exits(theirs, reference.thresholds)
    taken = choose_exits(ours, found.thresholds)
    plain = reference.answers.lead(-1, found.answers.plain_labels)
    differences = np.abs(theirs.scores - ours.scores)
    plain_difference = np.abs(theirs.scores[-1] - found.answers.plain_scores)
    return Parity(
        reference=reference.name,
        samples=len(truth),
        bound=BOUND,
        score_difference=float(max(differences.max(), plain_difference.max())),
        exits=tuple(
            ExitFlips(
                _falling(reference.answers.lead(k, labels)[labels != theirs.labels[k]]),
                _exit_margins(theirs, reference.thresholds, wanted, taken, k),
            )
            for k, labels in enumerate(ours.labels)
        ),
        plain_margins=_falling(plain[found.answers.plain_labels != theirs.labels[-1]]),
        within_bound=float(np.mean([doubtful(theirs, table).mean() for table in tables])),
        reference_accuracy=float((chosen_labels(theirs, wanted) == truth).mean()),
        accuracy=float((chosen_labels(ours, taken) == truth).mean()),
    )


def doubtful(table: ExitTable, thresholds: Floats) -> NDArray[np.bool_]:
    """Return which samples meet a decision that rounding may tip, at any branch: bool ``(n,)``."""
    doubt = np.zeros(table.labels.shape[1], dtype=np.bool_)
    for branch in range(table.branches):
        doubt |= _distance(table, thresholds, branch) <= BOUND
    return doubt


def _exit_margins(
    table: ExitTable,
    thresholds: Floats,
    wanted: NDArray[np.int32],
    taken: NDArray[np.int32],
    exit_index: int,
) -> tuple[float, ...]:
    """Return the margins of the samples whose ways part at this exit."""
    parted = (wanted != taken) & (np.minimum(wanted, taken) == exit_index + 1)
    if not parted.any():  # always so at the last exit, where nobody is left to part from
        return ()
    return _falling(_distance(table, thresholds, exit_index)[parted])


def _distance(table: ExitTable, thresholds: Floats, branch: int) -> Floats:
    """Return how far each score is from its threshold, 1 where that is never: ``(n,)``."""
    bar = thresholds[branch][table.labels[branch]]
    distance = np.abs(table.scores[branch] - np.where(np.isfinite(bar), bar, np.nan))
    return np.asarray(np.where(np.isnan(distance), 1.0, distance), dtype=np.float32)


def _falling(margins: Floats) -> tuple[float, ...]:
    return tuple(float(margin) for margin in sorted(margins, reverse=True))
