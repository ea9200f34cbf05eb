"""Compiled segments against the cascade in PyTorch, on real samples, before they are done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import ParityError
from calexnet.gating import NEVER, ExitTable, choose_exits, chosen_labels
from calexnet.manifest import Parity
from calexnet.runtimes.runner import Runner

if TYPE_CHECKING:
    from calexnet.cascade import Cascade

#: Largest score difference at fp32 that counts as rounding. Scores are at most 1; runtimes sum in
#: another order than PyTorch does.
BOUND = 1e-4


@dataclass(frozen=True)
class _Case:
    """One set of real samples and what every exit answered for them, here and there."""

    images: NDArray[np.uint8] | NDArray[np.float32]
    reference: ExitTable
    found: ExitTable
    probabilities: NDArray[np.float32]

    def unexplained(self, labels: NDArray[np.int32], exit_index: int) -> NDArray[np.bool_]:
        """Return which `labels` are not, but for rounding, the reference's best."""
        table = self.probabilities[exit_index]
        theirs = table[np.arange(len(labels)), labels]
        return np.asarray(theirs < table.max(1) - 2 * BOUND)


def verify(cascade: Cascade, runner: Runner) -> Parity:
    """Return how closely the compiled cascade follows the one in PyTorch.

    Every segment: its label and score with nobody leaving. The plain backbone: likewise. The whole
    chain: exits, labels and scores at every operating point, and ties, with each sample's threshold
    at the runtime's own score and one step above.

    Args:
        cascade: The reference, with its samples.
        runner: Loaded from what was compiled.

    Raises:
        ParityError: A difference that rounding does not explain; the message says where.
    """
    raw = cascade.samples.images
    preprocessing = cascade.spec.preprocessing
    images = raw if runner.preprocessing.input == "uint8" else preprocessing.normalise(raw)
    case = _Case(
        images, cascade.answer(raw), runner.ask_every_exit(images), cascade.probabilities(raw)
    )
    difference = _compare_segments(case)
    _compare_plain(case, runner)
    tables = [point.table() for point in cascade.spec.operating_points]
    flips = sum(_compare_chain(case, runner, table) for table in tables)
    _compare_ties(case, runner)
    return Parity(
        samples=len(raw),
        bound=BOUND,
        score_difference=difference,
        label_flips=int((case.reference.labels != case.found.labels).sum()),
        exit_flips=flips,
        within_bound=_share_within_bound(case.reference, tables),
    )


def _compare_segments(case: _Case) -> float:
    differences = np.abs(case.reference.scores - case.found.scores)
    for exit_index, row in enumerate(differences):
        if not (row <= BOUND).all():
            raise _parity_error(f"the scores of segment{exit_index + 1}", row)
        # Near-equal classes may swap within rounding.
        flips = case.unexplained(case.found.labels[exit_index], exit_index)
        if flips.any():
            raise _label_error(f"the labels of segment{exit_index + 1}", flips)
    return float(differences.max())


def _compare_plain(case: _Case, runner: Runner) -> None:
    plain = runner.plain(case.images)
    row = np.abs(plain.scores - case.reference.scores[-1])
    if not (row <= BOUND).all():
        raise _parity_error("the scores of plain", row)
    flips = case.unexplained(plain.labels, len(case.reference.labels) - 1)
    if flips.any():
        raise _label_error("the labels of plain", flips)


def _compare_chain(case: _Case, runner: Runner, thresholds: NDArray[np.float32]) -> int:
    """Return how many samples leave elsewhere; refuse one that rounding does not explain."""
    result = runner.with_thresholds(thresholds)(case.images)
    wanted = choose_exits(case.reference, thresholds)
    decided = choose_exits(case.found, thresholds)
    firm = ~_doubtful(case.reference, thresholds)
    wrong = firm & (result.exits != wanted)
    # Against the runtime's own scores there is no rounding at one batch size, only the gate.
    labels = chosen_labels(case.found, result.exits)
    if wrong.any() or (firm & (result.exits != decided)).any() or (result.labels != labels).any():
        raise ParityError(
            "the compiled chain takes other exits than the cascade",
            got=f"{int(wrong.sum())} of {len(wanted)} samples leave elsewhere",
            expected="the same exits wherever the score is further than "
            f"{BOUND:g} from its threshold",
            fix="This is a fault of the export; please report it with the run's cascade.json",
        )
    return int((result.exits != wanted).sum())


def _compare_ties(case: _Case, runner: Runner) -> None:
    """A score equal to its threshold exits; the next number above does not."""
    classes = len(runner.classes)
    for branch in range(case.found.branches):
        label, score = case.found.labels[branch][0], case.found.scores[branch][0]
        thresholds = np.full((case.found.branches, classes), NEVER, dtype=np.float32)
        for threshold, leaves in ((score, True), (np.nextafter(score, np.float32(2)), False)):
            thresholds[branch, label] = threshold
            # The whole batch again: another batch size may round the score itself.
            exits = runner.with_thresholds(thresholds)(case.images).exits
            if (exits[0] == branch + 1) != leaves:
                raise ParityError(
                    f"the gate of segment{branch + 1} decides a tie wrongly",
                    got=f"exit {exits[0]} at score {score} and threshold {threshold}",
                    expected="score >= threshold exits",
                )


def _doubtful(table: ExitTable, thresholds: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which samples meet a decision that rounding may tip, at any branch they pass."""
    doubt = np.zeros(table.labels.shape[1], dtype=np.bool_)
    for branch in range(table.branches):
        bar = thresholds[branch][table.labels[branch]]
        with np.errstate(invalid="ignore"):
            doubt |= np.abs(table.scores[branch] - bar) <= BOUND
    return doubt


def _share_within_bound(table: ExitTable, tables: list[NDArray[np.float32]]) -> float:
    return float(np.mean([_doubtful(table, thresholds).mean() for thresholds in tables]))


def _label_error(what: str, flips: NDArray[np.bool_]) -> ParityError:
    return ParityError(
        f"{what} differ from PyTorch's",
        got=f"{int(flips.sum())} of {len(flips)} real samples",
        expected="the same wherever the best two classes differ by more than rounding",
        fix="This is a fault of the export; please report it with the run's cascade.json",
    )


def _parity_error(what: str, differences: NDArray[np.float32]) -> ParityError:
    return ParityError(
        f"{what} differ from PyTorch's",
        got=f"up to {differences.max():.3g} on {len(differences)} real samples",
        expected=f"at most {BOUND:g}",
        fix="This is a fault of the export; please report it with the run's cascade.json",
    )
