"""The mean time of a chain of pieces, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.costs.prediction import Costs
from calexnet.bench.report.task import Setting
from calexnet.errors import InputError, MeasurementError
from calexnet.export.pool.document import Span
from tests.support.sample_board import board

FIRST, SECOND = Span("n", None, "a", "h"), Span("n", "a", "b", "h")
TAIL, LATER, WHOLE = Span("n", "b"), Span("n", "a"), Span("n")
#: A small network that runs whole, before the large one.
SMALL = Span("s")
WEIGHTS = {FIRST: 3, SECOND: 4, TAIL: 12, LATER: 16, WHOLE: 19, SMALL: 1}

#: Warm and cold ms by piece and batch.
TIMES = {
    (FIRST, 1): (2.0, 3.0),
    (FIRST, 2): (3.0, 5.0),
    (SECOND, 1): (1.0, 2.0),
    (TAIL, 1): (5.0, 5.5),
    (LATER, 1): (4.0, 4.5),
    (LATER, 2): (6.0, 6.5),
    (SMALL, 1): (1.0, 2.0),
    (WHOLE, 1): (7.0, 7.0),
}


def costs(batch: int = 1) -> Costs:
    return Costs(board(TIMES), Setting("onnxruntime", "fp32", batch), WEIGHTS, WHOLE)


def test_an_image_pays_for_the_caches_that_it_leaves_to_the_next() -> None:
    """Leaving at once: warm. At the end: the first piece is cold for the image after it."""
    assert [2.0, 3.0 + 4.0] == list(costs().to_exit([FIRST, LATER]))
    # .75 * 2 + .25 * 7
    assert 3.25 == pytest.approx(costs().expected_ms([FIRST, LATER], (0.75, 0.25)))


def test_what_ran_in_between_counts_by_its_weights() -> None:
    """Up to exit 2, 4 of the 16 that lie behind the first piece were read: a quarter of the way."""
    first, second, last = costs().to_exit([FIRST, SECOND, TAIL])

    assert first == 2.0
    assert second == pytest.approx(2.25 + 1.0)
    assert last == pytest.approx(3.0 + 2.0 + 5.0)


def test_a_whole_network_is_one_piece() -> None:
    assert [7.0] == list(costs().to_exit([WHOLE]))


def test_a_small_network_before_a_large_one() -> None:
    """The large one, whole, is what ran between two cold calls."""
    assert [1.0, 2.0 + 7.0] == list(costs().to_exit([SMALL, WHOLE]))


def test_a_batch_is_an_expectation_over_who_survives() -> None:
    """Of two images, half leaving early: nobody gets to the tail with 1/4, one with 1/2, both 1/4.

    The batch before has run the tail with 3/4. First piece, on two: 3 + 3/4 (5 - 3) = 4.5.
    Tail: 1/2 * 4 + 1/4 * 6 = 3.5.
    """
    assert pytest.approx(4.5 + 3.5) == costs(2).expected_ms([FIRST, LATER], (0.5, 0.5))


@given(st.floats(0, 1), st.floats(0, 1))
def test_single_images_are_the_mean_over_their_exits(early: float, split: float) -> None:
    rates = (early * split, early * (1 - split), 1 - early)
    chain = [FIRST, SECOND, TAIL]
    expected = sum(r * ms for r, ms in zip(rates, costs().to_exit(chain), strict=True))

    assert expected == pytest.approx(costs().expected_ms(chain, rates))


def test_what_was_not_measured_is_told() -> None:
    with pytest.raises(InputError, match="the board says nothing of n from the image to its end"):
        Costs(board({}), Setting("onnxruntime", "fp32"), WEIGHTS, WHOLE).to_exit([WHOLE])
    with pytest.raises(MeasurementError, match="no segment times for this batch: got 8 samples"):
        costs(8).expected_ms([FIRST, LATER], (0.5, 0.5))
