"""A batch that comes apart: every sample's answer lands at its place, whoever is gathered when."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from calexnet.runtimes.lanes.lane import Answer
from calexnet.runtimes.result import Batch, Result

CLASSES = 3


def answer(samples: NDArray[np.intp], exit: NDArray[np.bool_] | None) -> Answer:
    """Return what tells each sample apart: its number as label, a tenth of it as score."""
    labels = samples.astype(np.int32)
    table = np.repeat(labels[:, None], CLASSES, axis=1).astype(np.float32)
    return Answer(labels, (labels / 10).astype(np.float32), exit, table)


@given(st.data())
def test_every_answer_lands_at_its_place_whether_survivors_are_gathered_or_run_on(
    data: st.DataObject,
) -> None:
    count = data.draw(st.integers(1, 12))
    exits = data.draw(st.lists(st.integers(1, 4), min_size=count, max_size=count))
    exit_of = np.array(exits)
    batch, rows = Batch(count, CLASSES), np.arange(count)
    for number in range(1, 5):
        gone = exit_of[rows] < number  # what such a row answers is noise
        noise = np.array(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))
        leaves = np.where(gone, noise[: len(rows)], exit_of[rows] == number)
        batch.let_out(answer(rows, leaves if number < 4 else None), number)
        if batch.left == 0:
            break
        assert int((exit_of > number).sum()) == batch.left
        if batch.left < len(rows) and data.draw(st.booleans()):
            rows = rows[batch.gather()]

    result = batch.result
    assert result is not None
    assert result.probabilities is not None
    assert exits == result.exits.tolist()
    assert list(range(count)) == result.labels.tolist()
    np.testing.assert_allclose(result.scores, np.arange(count) / 10, rtol=1e-6)
    assert np.array_equal(result.probabilities[:, 0], result.labels)
    assert [np.int32, np.float32, np.int32] == [array.dtype for array in result[:3]]


@pytest.mark.parametrize("leaves", [None, np.ones(4, np.bool_)])
def test_a_batch_that_leaves_whole_gets_arrays_of_its_own(leaves: NDArray[np.bool_] | None) -> None:
    given = answer(np.arange(4), leaves)
    batch = Batch(4, None)

    batch.let_out(given, 2)

    assert batch.result is not None
    for array in (given.label, given.score):
        array[...] = 9
    assert [0, 1, 2, 3] == batch.result.labels.tolist()
    assert [2] * 4 == batch.result.exits.tolist()
    assert batch.result.probabilities is None


def test_parts_of_a_batch_are_joined_in_order() -> None:
    parts = [Result(*(np.array([k, k], t) for t in ("i4", "f4", "i4"))) for k in range(3)]

    joined = Result.joined([Result.empty(0, None), *parts])

    assert [0, 0, 1, 1, 2, 2] == joined.labels.tolist() == joined.exits.tolist()
    assert [np.int32, np.float32, np.int32] == [array.dtype for array in joined[:3]]
    assert joined.probabilities is None
    tables = [part._replace(probabilities=np.ones((2, 5), np.float32)) for part in parts]
    table = Result.joined(tables).probabilities
    assert table is not None
    assert (6, 5) == table.shape
