"""Compiled segments against the run's own cascade, on real samples, before they are done."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import ExportError, ParityError
from calexnet.gating import NEVER, choose_exits, chosen_labels
from calexnet.models import ModelCascade
from calexnet.models.asking import Asked, asked
from calexnet.parity import Answers, Parity, Side, bound_of, compare, doubtful
from calexnet.runtimes.onnxruntime import AsWritten
from calexnet.runtimes.result import Result
from calexnet.runtimes.runner import Runner
from calexnet.training.graph_run import GraphCascade

if TYPE_CHECKING:
    from calexnet.training.cascade import Cascade
    from calexnet.training.runs import AnyCascade

#: Samples a call while every exit is asked; and one alone, as an app's images come.
_BATCHES = (64, 1)
#: Batch sizes in which the chain is run, in turn: one, odd, a power of two, many.
_CHAIN = (1, 3, 8, 52)
#: Samples that are answered in float64 too, which takes many times as long.
_EXACT = 32

_REPORT = "This is a fault of the export; please report it with the run's cascade.json"


def verify(cascade: AnyCascade | ModelCascade, runner: Runner) -> Parity:
    """Return how closely the compiled cascade follows the run's own.

    Every segment and the plain backbone: labels and scores with nobody leaving, in batches and one
    image at a time. The whole chain, in batches of several sizes at every operating point, and one
    image at a time at the default one: exits and labels. Ties, with each sample's threshold at the
    runtime's own score and one step above. Scores may differ by as much as the network's own
    rounding explains (`calexnet.parity.bound_of`).

    Args:
        cascade: The reference, with its samples.
        runner: Loaded from what was compiled.

    Raises:
        ExportError: The network itself answers an image alone otherwise than in a batch.
        ParityError: A difference that rounding does not explain; the message says where.
    """
    images = runner.preprocessing.as_input(cascade.samples.images)
    reference = _reference(cascade, cascade.samples.images)
    rounding = _rounding(cascade)
    bound = bound_of(rounding)
    _refuse_mixing(cascade, reference, bound)
    in_batches, alone = (runner.answers(images, batch) for batch in _BATCHES)
    for found, how in ((in_batches, ""), (alone, ", one image at a time")):
        _compare_segments(reference, found, bound, how)
        _compare_plain(reference, found, bound, how)
    tables = [point.table() for point in cascade.spec.operating_points]
    for table in tables:
        at = runner.with_thresholds(table)
        _compare_chain(reference, _in_batches(at, images, _CHAIN), at, bound)
    _compare_chain(reference, _in_batches(runner, images, (1,)), runner, bound)
    _compare_ties(in_batches, runner, images[: _BATCHES[0]])
    return compare(
        Side(_name(cascade), reference, runner.thresholds),
        Side(runner.compiled.target, in_batches, runner.thresholds),
        cascade.samples.labels,
        tables,
        rounding,
    )


def _name(cascade: AnyCascade | ModelCascade) -> str:
    return "the run" if isinstance(cascade, (GraphCascade, ModelCascade)) else "PyTorch"


def _reference(cascade: AnyCascade | ModelCascade, images: NDArray[np.uint8]) -> Answers:
    """Return the run's own answers; plain is the last exit itself, unless that one averages."""
    if isinstance(cascade, ModelCascade):
        return asked(cascade)(images).answers(cascade.spec.average)
    exits, probabilities = cascade.answers(images)
    return Answers(exits, probabilities, exits.labels[-1], exits.scores[-1])


def _rounding(cascade: AnyCascade | ModelCascade) -> float | None:
    """Return how far float32 moves the reference's scores from the exact ones, over all exits."""
    images = cascade.samples.images[:_EXACT]
    if isinstance(cascade, ModelCascade):
        average, written = cascade.spec.average, Asked(cascade.models, AsWritten())
        apart = written(images).exits(average).scores - _reference(cascade, images).exits.scores
        return float(np.abs(apart).max()) / 2
    if isinstance(cascade, GraphCascade):
        # Half of what another order of the same sums makes of them: either is as far from exact.
        apart = cascade.as_written().answer(images).scores - cascade.answer(images).scores
        return float(np.abs(apart).max()) / 2
    return _rounding_of_modules(cascade, images)


def _rounding_of_modules(cascade: Cascade, images: NDArray[np.uint8]) -> float | None:
    """Return how far PyTorch's scores are from those of float64; ``None`` if it does not run so."""
    from calexnet.training.cascade import exit_table

    try:
        backbone, branches = copy.deepcopy((cascade.backbone, cascade.branches))
        exact = replace(
            cascade, backbone=backbone.double(), branches=tuple(one.double() for one in branches)
        )
        scores = exit_table(exact.ask(images, double=True)).scores
    except (RuntimeError, TypeError):  # a float32 tensor made inside, or what cannot be copied
        return None
    return float(np.abs(scores - cascade.answer(images).scores).max())


def _refuse_mixing(cascade: AnyCascade | ModelCascade, reference: Answers, bound: float) -> None:
    """Do nothing if the network's answer for an image does not depend on the batch around it.

    Raises:
        ExportError: It does.
    """
    images = cascade.samples.images
    alone = Answers.joined([_reference(cascade, images[k : k + 1]) for k in range(len(images))])
    moved = np.abs(alone.exits.scores - reference.exits.scores)
    swapped = _unlike(reference, alone, bound)
    if (moved <= bound).all() and not swapped.any():
        return
    labels = (alone.exits.labels != reference.exits.labels).any(0)
    raise ExportError(
        "the network answers an image alone otherwise than in a batch",
        got=f"{int(labels.sum())} of {len(images)} real samples with another label, scores "
        f"that differ by up to {moved.max():.1e}",
        expected=f"the same labels, and scores within {bound:.1e}",
        fix="Take out of forward what looks at other images, such as a mean over the batch, and "
        "what is random; then train again",
    )


def _unlike(reference: Answers, found: Answers, bound: float) -> NDArray[np.bool_]:
    """Return whose labels differ at an exit by more than rounding: bool ``(exits, n)``.

    Near-equal classes may swap within rounding.
    """
    leads = [reference.lead(k, labels) for k, labels in enumerate(found.exits.labels)]
    return np.asarray(np.stack(leads) > 2 * bound, dtype=np.bool_)


def _compare_segments(reference: Answers, found: Answers, bound: float, how: str) -> None:
    differences = np.abs(reference.exits.scores - found.exits.scores)
    unlike = _unlike(reference, found, bound)
    for number, (row, flips) in enumerate(zip(differences, unlike, strict=True), start=1):
        if not (row <= bound).all():
            raise _parity_error(f"the scores of segment{number}{how}", row, bound)
        if flips.any():
            raise _label_error(f"the labels of segment{number}{how}", flips)


def _compare_plain(reference: Answers, found: Answers, bound: float, how: str) -> None:
    row = np.abs(found.plain_scores - reference.plain_scores)
    if not (row <= bound).all():
        raise _parity_error(f"the scores of plain{how}", row, bound)
    flips = reference.plain_lead(found.plain_labels) > 2 * bound
    if flips.any():
        raise _label_error(f"the labels of plain{how}", flips)


def _compare_chain(reference: Answers, result: Result, runner: Runner, bound: float) -> None:
    """Refuse an exit or a label that rounding does not explain, at the runner's thresholds."""
    wanted = choose_exits(reference.exits, runner.thresholds)
    firm = ~doubtful(reference.exits, runner.thresholds, bound)
    elsewhere = firm & (result.exits != wanted)
    # The run's own answer where the sample left.
    leads = np.array(
        [reference.lead(k - 1, result.labels)[row] for row, k in enumerate(result.exits)]
    )
    other = (leads > 2 * bound) & (result.labels != chosen_labels(reference.exits, result.exits))
    if elsewhere.any() or other.any():
        raise ParityError(
            "the compiled chain decides otherwise than the cascade",
            got=f"{int(elsewhere.sum())} of {len(wanted)} samples leave elsewhere, "
            f"{int(other.sum())} get another label",
            expected=f"the same exits wherever the score is further than {bound:.1e} from its "
            "threshold, and the labels of those exits",
            fix=_REPORT,
        )


def _in_batches(runner: Runner, images: NDArray[Any], sizes: tuple[int, ...]) -> Result:
    results = [runner(batch) for batch in _batches(images, sizes)]
    labels, scores, exits = (
        np.concatenate([result[field] for result in results]) for field in range(3)
    )
    return Result(labels, scores, exits)


def _batches(images: NDArray[Any], sizes: tuple[int, ...]) -> Iterator[NDArray[Any]]:
    first = 0
    for size in cycle(sizes):
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
        f"{what} differ from the run's",
        got=f"{int(flips.sum())} of {len(flips)} real samples",
        expected="the same wherever the best two classes differ by more than rounding",
        fix=_REPORT,
    )


def _parity_error(what: str, differences: NDArray[np.float32], bound: float) -> ParityError:
    return ParityError(
        f"{what} differ from the run's",
        got=f"up to {differences.max():.3g} on {len(differences)} real samples",
        expected=f"at most {bound:.3g}, which rounding explains in this network",
        fix=_REPORT,
    )
