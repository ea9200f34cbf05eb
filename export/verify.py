"""Compiled segments against the cascade in PyTorch, on real samples, before they are done."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import ParityError
from calexnet.gating import NEVER, choose_exits, chosen_labels
from calexnet.parity import BOUND, Answers, Parity, Side, compare, doubtful
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner

if TYPE_CHECKING:
    from calexnet.cascade import Cascade

#: Samples a call while every exit is asked.
_BATCH = 64
#: Batch sizes in which the chain is run, in turn: one, odd, a power of two, many.
_CHAIN = (1, 3, 8, 52)


def verify(cascade: Cascade, runner: Runner) -> Parity:
    """Return how closely the compiled cascade follows the one in PyTorch.

    Every segment: its label and score with nobody leaving. The plain backbone: likewise. The whole
    chain, in batches of several sizes: exits and labels at every operating point, and ties, with
    each sample's threshold at the runtime's own score and one step above.

    Args:
        cascade: The reference, with its samples.
        runner: Loaded from what was compiled.

    Raises:
        ParityError: A difference that rounding does not explain; the message says where.
    """
    images = runner.preprocessing.as_input(cascade.samples.images)
    reference, found = _reference(cascade), runner.answers(images, _BATCH)
    _compare_segments(reference, found)
    _compare_plain(reference, found)
    tables = [point.table() for point in cascade.spec.operating_points]
    for table in tables:
        _compare_chain(reference, found, runner.with_thresholds(table), images)
    _compare_ties(found, runner, images[:_BATCH])
    return compare(
        Side("PyTorch", reference, runner.thresholds),
        Side(runner.compiled.target, found, runner.thresholds),
        cascade.samples.labels,
        tables,
    )


def _reference(cascade: Cascade) -> Answers:
    """Return PyTorch's answers; its last exit is the plain backbone itself."""
    from calexnet.cascade import exit_table, softmax

    said = cascade.ask(cascade.samples.images)
    exits = exit_table(said)
    return Answers(exits, softmax(said), exits.labels[-1], exits.scores[-1])


def _compare_segments(reference: Answers, found: Answers) -> None:
    differences = np.abs(reference.exits.scores - found.exits.scores)
    for exit_index, row in enumerate(differences):
        if not (row <= BOUND).all():
            raise _parity_error(f"the scores of segment{exit_index + 1}", row)
        # Near-equal classes may swap within rounding.
        flips = reference.lead(exit_index, found.exits.labels[exit_index]) > 2 * BOUND
        if flips.any():
            raise _label_error(f"the labels of segment{exit_index + 1}", flips)


def _compare_plain(reference: Answers, found: Answers) -> None:
    row = np.abs(found.plain_scores - reference.plain_scores)
    if not (row <= BOUND).all():
        raise _parity_error("the scores of plain", row)
    flips = reference.lead(-1, found.plain_labels) > 2 * BOUND
    if flips.any():
        raise _label_error("the labels of plain", flips)


def _compare_chain(
    reference: Answers, found: Answers, runner: Runner, images: NDArray[Any]
) -> None:
    """Refuse an exit that rounding does not explain, at the runner's thresholds."""
    result = _in_batches(runner, images)
    wanted = choose_exits(reference.exits, runner.thresholds)
    firm = ~doubtful(reference.exits, runner.thresholds)
    wrong = firm & (result.exits != wanted)
    # The answers of the segments themselves: but for near-equal classes the chain gives the same.
    labels = chosen_labels(found.exits, result.exits)
    rows = np.flatnonzero(result.labels != labels)
    leads = [reference.lead(result.exits[row] - 1, result.labels)[row] for row in rows]
    if wrong.any() or max(leads, default=0.0) > 2 * BOUND:
        raise ParityError(
            "the compiled chain takes other exits than the cascade",
            got=f"{int(wrong.sum())} of {len(wanted)} samples leave elsewhere",
            expected="the same exits wherever the score is further than "
            f"{BOUND:g} from its threshold",
            fix="This is a fault of the export; please report it with the run's cascade.json",
        )


def _in_batches(runner: Runner, images: NDArray[Any]) -> Result:
    results = [runner(batch) for batch in _batches(images)]
    labels, scores, exits = (
        np.concatenate([result[field] for result in results]) for field in range(3)
    )
    return Result(labels, scores, exits)


def _batches(images: NDArray[Any]) -> Iterator[NDArray[Any]]:
    first = 0
    for size in cycle(_CHAIN):
        if first >= len(images):
            return
        yield images[first : first + size]
        first += size


def _compare_ties(found: Answers, runner: Runner, images: NDArray[Any]) -> None:
    """A score equal to its threshold exits; the next number above does not."""
    classes, exits = len(runner.classes), found.exits
    for branch in range(exits.branches):
        label, score = exits.labels[branch][0], exits.scores[branch][0]
        thresholds = np.full((exits.branches, classes), NEVER, dtype=np.float32)
        for threshold, leaves in ((score, True), (np.nextafter(score, np.float32(2)), False)):
            thresholds[branch, label] = threshold
            # The same batch again: another batch size may round the score itself.
            taken = runner.with_thresholds(thresholds)(images).exits
            if (taken[0] == branch + 1) != leaves:
                raise ParityError(
                    f"the gate of segment{branch + 1} decides a tie wrongly",
                    got=f"exit {taken[0]} at score {score} and threshold {threshold}",
                    expected="score >= threshold exits",
                )


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
