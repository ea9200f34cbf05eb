"""What a cascade answers for a batch, and how it comes together while samples leave."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from calexnet.errors import InputError
from calexnet.numbers import whole
from calexnet.runtimes.lanes.lane import Answer


class _Arrays(NamedTuple):
    labels: NDArray[np.int32]
    scores: NDArray[np.float32]
    exits: NDArray[np.int32]
    probabilities: NDArray[np.float32] | None = None


class Result(_Arrays):
    """Answers for a batch, in input order; a tuple of its arrays.

    Attributes:
        labels: int32 ``(n,)``.
        scores: float32 ``(n,)``.
        exits: int32 ``(n,)``, counted from 1; the last is the backbone's own head.
        probabilities: float32 ``(n, classes)``, only if asked for.
        classes: Names of the classes, in label order; none of a result that no cascade gave.
    """

    classes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The name of each image's label.

        Raises:
            InputError: No cascade gave this result, so nobody knows the names.
        """
        classes = self._known_classes()
        return [classes[label] for label in self.labels.tolist()]

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """Return the `k` likeliest classes of each image, falling: name and probability.

        Of equal ones the first comes first; of fewer than `k` classes, all.

        Raises:
            InputError: Probabilities were not asked for, or `k` is no whole number from 1 on.
        """
        k, classes = whole("k", k, 1, 2**31), self._known_classes()
        if self.probabilities is None:
            raise InputError(
                "there are no probabilities to rank",
                got="a result without them",
                fix="Call cascade(images, probabilities=True)",
            )
        ranked = np.argsort(-self.probabilities, axis=1, kind="stable")[:, :k]
        return [
            [(classes[label], float(row[label])) for label in likeliest.tolist()]
            for row, likeliest in zip(self.probabilities, ranked, strict=True)
        ]

    def _known_classes(self) -> tuple[str, ...]:
        if not self.classes:
            raise InputError("the classes of this result have no names", got="no cascade's result")
        return self.classes

    @staticmethod
    def empty(count: int, classes: int | None) -> Result:
        """Return a result for `count` samples to be written; no probabilities for ``None``."""
        table = None if classes is None else np.empty((count, classes), np.float32)
        return Result(
            np.empty(count, np.int32), np.empty(count, np.float32), np.empty(count, np.int32), table
        )

    @staticmethod
    def joined(parts: Sequence[Result]) -> Result:
        """Return the results of consecutive parts of a batch as one."""
        labels, scores, exits, tables = zip(*parts, strict=True)
        table = None if tables[0] is None else np.concatenate(tables)
        return Result(np.concatenate(labels), np.concatenate(scores), np.concatenate(exits), table)


class Batch:
    """A batch on its way: who is still in it, and what the others were told.

    The lane's rows are the batch's samples at first, in order; then the survivors.

    Attributes:
        left: How many samples are still on their way.
        result: Complete when nobody is.
    """

    def __init__(self, count: int, classes: int | None) -> None:
        self.left = self._count = count
        self.result: Result | None = None
        self._classes = classes
        self._positions: NDArray[np.intp] | None = None  # of the lane's rows; None = everyone
        self._waiting: NDArray[np.bool_] | None = None  # which of these rows; None = all

    def let_out(self, answer: Answer, number: int) -> None:
        """Take in what exit `number` answers for the lane's rows; those it lets out leave."""
        leaves = answer.exit
        if self._waiting is not None:
            leaves = self._waiting if leaves is None else leaves & self._waiting
        leaving = self.left if leaves is None else int(np.count_nonzero(leaves))
        if leaving == self._count:
            self.result = self._whole(answer, number)
        elif leaving > 0:
            self._write(answer, leaves, number)
        self.left -= leaving
        if leaving > 0 and self.left > 0:
            assert leaves is not None
            self._waiting = ~leaves if self._waiting is None else self._waiting & ~leaves

    def gather(self) -> NDArray[np.intp]:
        """Return the lane's rows that are still on their way; from now on they are the rows."""
        assert self._waiting is not None, "nobody has left since the last time"
        rows: NDArray[np.intp] = np.flatnonzero(self._waiting)
        self._positions = rows if self._positions is None else self._positions[rows]
        self._waiting = None
        return rows

    def _whole(self, answer: Answer, number: int) -> Result:
        """Return the result of a batch that leaves as it came, in arrays of its own."""
        table = None if self._classes is None else _copy(answer.probabilities)
        if answer.number is None:
            exits = np.full(self._count, number, np.int32)
        else:
            exits = answer.number.copy()
        return Result(answer.label.copy(), answer.score.copy(), exits, table)

    def _write(self, answer: Answer, leaves: NDArray[np.bool_] | None, number: int) -> None:
        if self.result is None:
            self.result = Result.empty(self._count, self._classes)
        rows = slice(None) if leaves is None else np.flatnonzero(leaves)
        where = rows if self._positions is None else self._positions[rows]
        self.result.labels[where] = answer.label[rows]
        self.result.scores[where] = answer.score[rows]
        self.result.exits[where] = number
        if self.result.probabilities is not None:
            assert answer.probabilities is not None
            self.result.probabilities[where] = answer.probabilities[rows]


def _copy(table: NDArray[np.float32] | None) -> NDArray[np.float32]:
    assert table is not None, "the lane was asked for probabilities"
    return table.copy()
