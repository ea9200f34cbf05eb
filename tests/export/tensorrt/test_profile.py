"""Batch sizes an engine is built for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.export.tensorrt.profile import Profile, profiles
from calexnet.manifest import TensorRecord


def test_a_segment_is_best_at_those_who_have_not_left_before_it() -> None:
    found = profiles((0.5, 0.25, 0.25), (1, 8, 32))

    assert (Profile(32, 32), Profile(16, 32), Profile(8, 32), Profile(32, 32)) == found


def test_a_segment_that_nobody_is_expected_at_is_built_for_one() -> None:
    assert (Profile(4, 4), Profile(1, 4), Profile(4, 4)) == profiles((1.0, 0.0), (4,))


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=5).filter(sum),
    st.lists(st.integers(1, 512), min_size=1, max_size=4),
)
def test_the_best_batch_is_one_that_fits_and_falls(
    weights: list[float], batches: list[int]
) -> None:
    rates = [weight / sum(weights) for weight in weights]

    *segments, plain = profiles(rates, batches)

    best = [profile.best for profile in segments]
    assert max(batches) == plain.best == best[0]
    assert sorted(best, reverse=True) == best
    assert all(1 <= number <= max(batches) for number in best)
    assert {max(batches)} == {profile.largest for profile in segments}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (("n", 3, 8, 8), ((1, 3, 8, 8), (4, 3, 8, 8), (32, 3, 8, 8))),
        (("n",), ((1,), (4,), (32,))),
        ((10,), None),
    ],
)
def test_shapes_vary_in_the_batch_alone(shape: tuple[int | str, ...], expected: object) -> None:
    assert expected == Profile(4, 32).shapes(TensorRecord("x", "float32", shape))
