"""Decision parity: where two builds of one cascade answer or leave differently, and how narrowly.

Plain numpy. Two builds are compared on the same real samples, each with its own thresholds: a flip
is a decision that a user would see change. Its margin says how far the reference was from deciding
likewise, so that a coin toss is told from a fault.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.gating import ExitTable, choose_exits, chosen_labels

Floats = NDArray[np.float32]

#: Score difference that counts as rounding at fp32 in any network. Scores are at most 1; runtimes
#: sum in different orders.
BOUND = 1e-4

#: How many times the rounding seen two builds may differ. Each is as far from the exact sums as
#: was seen, more images show more, and a runtime's faster algorithms round more than PyTorch's:
#: on 600 images builds of trained ResNets differed by 1 to 9 times what 32 images had shown.
_ALLOWANCE = 10.0

#: More is no rounding, whatever was measured: a network so coarse decides by chance.
_MOST = 1e-2

#: Above this share of decisions that rounding may tip, agreement says little.
WEAK = 0.01


Rule = Literal["score", "label", "plain label", "exit"]


@dataclass(frozen=True)
class Breach:
    """A difference that rounding does not explain.

    Attributes:
        rule: What differs: a score; a label, of an exit or of plain; where a sample leaves.
        value: By how much at most: in score, or in margin.
        limit: What rounding explains.
    """

    rule: Rule
    value: float
    limit: float

    def __str__(self) -> str:
        """Return it in words."""
        what = {
            "score": "scores differ by up to",
            "label": "labels of an exit differ where the reference was sure by",
            "plain label": "labels of plain differ where the reference was sure by",
            "exit": "images leave elsewhere whose scores were from the threshold by",
        }
        return f"{what[self.rule]} {self.value:.1e}, and rounding explains {self.limit:.1e}"


def bound_of(rounding: float | None) -> float:
    """Return the largest score difference that counts as rounding.

    Args:
        rounding: How far rounding alone was seen to move the network's scores; ``None`` = unknown.
    """
    return min(max(BOUND, _ALLOWANCE * (rounding or 0.0)), _MOST)


@dataclass(frozen=True)
class ExitFlips:
    """What differs at one exit.

    Attributes:
        label_margins: For each answer that differs, how much likelier the reference held its own
            answer than the other one; largest first.
        exit_margins: For each sample that leaves here on one side alone, how far the reference's
            score was from its threshold (1 where the class never exits); largest first.
        leaving: Samples that the reference lets out here; ``None`` if it was not recorded.
        answers: Those of them that the other cascade answers otherwise, wherever they leave it.
    """

    label_margins: tuple[float, ...]
    exit_margins: tuple[float, ...]
    leaving: int | None = None
    answers: int | None = None


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
        early: Share that leaves this build before the last exit; ``None`` if it was not recorded.
        rounding: How far rounding alone was seen to move the reference's scores; ``None`` if it was
            not measured.
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
    early: float | None = None
    rounding: float | None = None

    @property
    def answers(self) -> int | None:
        """Samples that the cascade answers otherwise; ``None`` if it was not recorded."""
        counts = [flips.answers for flips in self.exits if flips.answers is not None]
        return sum(counts) if len(counts) == len(self.exits) else None

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
    def breaches(self) -> tuple[Breach, ...]:
        """The differences that rounding does not explain.

        A label flips if two probabilities move towards each other, each by up to the bound.
        """
        labels = [margin for flips in self.exits for margin in flips.label_margins]
        exits = [margin for flips in self.exits for margin in flips.exit_margins]
        seen = (
            Breach("score", self.score_difference, self.bound),
            Breach("label", _largest(labels), 2 * self.bound),
            Breach("plain label", _largest(self.plain_margins), 2 * self.bound),
            Breach("exit", _largest(exits), self.bound),
        )
        return tuple(one for one in seen if not one.value <= one.limit)  # NaN is one

    @property
    def is_rounding(self) -> bool:
        """Whether every difference is one that rounding explains: the bar at fp32."""
        return not self.breaches


@dataclass(frozen=True)
class Answers:
    """What every exit of one build answers for some samples, and its plain backbone.

    Attributes:
        exits: Labels and scores.
        probabilities: float32 ``(exits, n, classes)``.
        plain_labels: int32 ``(n,)``.
        plain_scores: float32 ``(n,)``.
        plain_probabilities: float32 ``(n, classes)``; ``None`` = those of the last exit, which
            answers as plain does.
    """

    exits: ExitTable
    probabilities: Floats
    plain_labels: NDArray[np.int32]
    plain_scores: Floats
    plain_probabilities: Floats | None = None

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
            np.concatenate([part._of_plain() for part in parts]),
        )

    def lead(self, exit_index: int, labels: NDArray[np.int32]) -> Floats:
        """Return how much likelier an exit holds its own answers than `labels`: ``(n,)``."""
        return _lead(self.probabilities[exit_index], labels)

    def plain_lead(self, labels: NDArray[np.int32]) -> Floats:
        """Return how much likelier plain holds its own answers than `labels`: ``(n,)``."""
        return _lead(self._of_plain(), labels)

    def _of_plain(self) -> Floats:
        last: Floats = self.probabilities[-1]
        return last if self.plain_probabilities is None else self.plain_probabilities


def _lead(table: Floats, labels: NDArray[np.int32]) -> Floats:
    rows = np.arange(len(labels))
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
    rounding: float | None = None,
) -> Parity:
    """Return how closely `found` follows `reference`.

    Args:
        reference: What is held to be right.
        found: What is judged.
        truth: Integer ``(n,)``.
        tables: The reference's thresholds at all operating points.
        rounding: How far rounding alone was seen to move the reference's scores.
    """
    bound = bound_of(rounding)
    theirs, ours = reference.answers.exits, found.answers.exits
    wanted = choose_exits(theirs, reference.thresholds)
    taken = choose_exits(ours, found.thresholds)
    plain = reference.answers.plain_lead(found.answers.plain_labels)
    right, said = chosen_labels(theirs, wanted), chosen_labels(ours, taken)
    return Parity(
        reference=reference.name,
        samples=len(truth),
        bound=bound,
        score_difference=score_difference(reference.answers, found.answers),
        exits=tuple(
            ExitFlips(
                _falling(reference.answers.lead(k, labels)[labels != theirs.labels[k]]),
                _exit_margins(theirs, reference.thresholds, wanted, taken, k),
                leaving=int((wanted == k + 1).sum()),
                answers=int(((wanted == k + 1) & (right != said)).sum()),
            )
            for k, labels in enumerate(ours.labels)
        ),
        plain_margins=_falling(plain[found.answers.plain_labels != reference.answers.plain_labels]),
        within_bound=float(np.mean([doubtful(theirs, table, bound).mean() for table in tables])),
        reference_accuracy=float((right == truth).mean()),
        accuracy=float((said == truth).mean()),
        early=float((taken <= theirs.branches).mean()),
        rounding=rounding,
    )


def score_difference(one: Answers, other: Answers) -> float:
    """Return the largest difference between two builds' scores, plain's included; NaN if any is."""
    exits = np.abs(one.exits.scores - other.exits.scores).max()
    return float(np.maximum(exits, np.abs(one.plain_scores - other.plain_scores).max()))


def doubtful(table: ExitTable, thresholds: Floats, bound: float = BOUND) -> NDArray[np.bool_]:
    """Return which samples meet a decision that rounding may tip, at any branch: bool ``(n,)``."""
    doubt = np.zeros(table.labels.shape[1], dtype=np.bool_)
    for branch in range(table.branches):
        doubt |= _distance(table, thresholds, branch) <= bound
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


def _largest(margins: Sequence[float]) -> float:
    return float(np.max(margins, initial=0.0))


def _falling(margins: Floats) -> tuple[float, ...]:
    return tuple(float(margin) for margin in sorted(margins, reverse=True))
