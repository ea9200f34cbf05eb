"""Heads within a budget: as wide as it allows, and not one channel wider."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.errors import InputError
from calexnet.training.heads.budget import fitted

PLAIN = 1000


def cost(widths: Sequence[int], own: Sequence[int] = (8, 16)) -> int:
    """Return what made-up heads cost: 10 each, and 2 a channel."""
    return sum(10 + 2 * width for width in widths or own)


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        (0.068, ()),  # 2 x 10 + 2 x (8 + 16) = 68: they fit as they are
        (0.067, (7, 15)),  # 64
        (0.044, (4, 8)),  # 20 + 24
        (0.0439, (3, 7)),  # 40
        (0.024, (1, 1)),  # 24, the least
    ],
)
def test_all_are_narrowed_in_one_proportion(budget: float, expected: tuple[int, ...]) -> None:
    assert expected == fitted("strided", (8, 16), budget, PLAIN, cost)


@given(st.lists(st.integers(1, 200), min_size=1, max_size=4), st.floats(0.001, 1.0))
def test_they_are_never_over_it_and_no_wider_step_would_be_within(
    own: list[int], budget: float
) -> None:
    def costs(widths: Sequence[int]) -> int:
        return cost(widths, own)

    most, widest = budget * PLAIN, max(own)
    steps = [tuple(max(1, w * s // widest) for w in own) for s in range(1, widest + 1)]
    within = [widths for widths in steps if costs(widths) <= most]
    if not within:
        with pytest.raises(InputError):
            fitted("strided", own, budget, PLAIN, costs)
    else:
        found = fitted("strided", own, budget, PLAIN, costs)
        assert (within[-1] if costs(own) > most else ()) == found


def test_what_is_too_large_at_its_narrowest_is_refused_with_what_it_costs() -> None:
    with pytest.raises(
        InputError,
        match=r"^strided heads do not fit the budget: got 2\.40% of the network's MACs, with one "
        r"channel inside; expected at most 2\.30%, all heads together\. Choose --head linear,",
    ):
        fitted("strided", (8, 16), 0.023, PLAIN, cost)


def test_heads_that_cannot_be_narrowed_have_to_fit_as_they_are() -> None:
    assert () == fitted("linear", (None, None), 0.068, PLAIN, cost)
    with pytest.raises(InputError, match=r"got 6\.80% .*, which cannot be narrowed; expected at"):
        fitted("linear", (None, None), 0.05, PLAIN, cost)
