"""Counts, bounds, how many images it takes, and the chain that a certificate comes from."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet.certify import (
    Candidate,
    Counts,
    certify,
    counts,
    images_needed,
    lower_bound,
    p_value,
    upper_bound,
)
from calexnet.errors import InputError

SURE, LIKELY, DOUBTFUL, LOST = (
    Counts(2000, 0, 5),
    Counts(2000, 6, 6),
    Counts(2000, 40, 30),
    Counts(2000, 90, 10),
)


def test_counts_by_hand() -> None:
    reference = np.array([True, True, True, False, False])
    other = np.array([True, False, False, True, False])
    found = counts(reference, other)
    assert found == Counts(images=5, harmed=2, helped=1)
    assert found.drop == pytest.approx(0.2)
    assert found.swapped == Counts(5, 1, 2)


@pytest.mark.parametrize("bad", [(0, 0, 0), (5, -1, 0), (5, 3, 3)])
def test_counts_that_cannot_be_are_refused(bad: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no such counts of at least one image"):
        Counts(*bad)


def test_one_image_that_one_alone_answers_rightly_is_counted() -> None:
    assert Counts(1, 1, 0).drop == 1.0
    assert Counts(1, 0, 1).drop == -1.0


def test_bounds_hold_the_drop_between_them() -> None:
    found = Counts(538, 6, 4)
    assert lower_bound(found) < found.drop < upper_bound(found)
    assert upper_bound(found, 0.025) > upper_bound(found, 0.05)
    assert lower_bound(found) == -upper_bound(Counts(538, 4, 6))


def test_how_many_images_without_a_difference_certify_a_point() -> None:
    """0.99^299 is the first power under 5 %."""
    assert images_needed(Counts(60, 0, 0), 0.01) in range(299, 303)


def test_few_images_are_counted_to_the_image() -> None:
    """0.5^5 is the first power under 5 %."""
    assert images_needed(Counts(4, 0, 0), 0.5) == 5


def test_a_million_images_are_the_most() -> None:
    """Score at a million: -150 / sqrt(9850) = -1.51; at two it would be -2.14, and sure."""
    assert images_needed(Counts(10**6, 9850, 0), 0.01) is None


def test_so_many_images_would_certify_and_fewer_would_not() -> None:
    found = Counts(500, 6, 4)
    needed = images_needed(found, 0.01)
    assert needed is not None
    assert p_value(Counts(needed, -(-needed * 6 // 500), needed * 4 // 500), 0.01) <= 0.05
    fewer = needed * 95 // 100
    assert p_value(Counts(fewer, -(-fewer * 6 // 500), fewer * 4 // 500), 0.01) > 0.05


@pytest.mark.parametrize(
    "found", [Counts(500, 9, 4), Counts(500, 90, 4), Counts(10**5, 5999, 5000)]
)
def test_no_number_of_images_certifies_what_is_not_so(found: Counts) -> None:
    assert images_needed(found, 0.01) is None


def test_many_images_are_no_long_wait() -> None:
    """Score: (0.002 - 0.01) n / sqrt(n 0.4) = -1.645, so n = 16,912; twice 0.4 doubles it."""
    assert images_needed(Counts(1000, 401, 399), 0.01) == pytest.approx(33_824, rel=0.03)


def test_the_chain_goes_by_calibration_and_ends_at_the_first_failure() -> None:
    found = certify(
        [
            Candidate("loose", LOST, SURE),
            Candidate("strict", SURE, SURE),
            Candidate("middle", LIKELY, DOUBTFUL),
        ],
        0.01,
    )
    assert [(link.name, link.outcome) for link in found.own.links] == [
        ("strict", "passed"),
        ("middle", "failed"),
        ("loose", "not reached"),
    ]
    strict, middle, loose = found.own.links
    assert strict.calibration_p == p_value(SURE, 0.01)
    assert middle.p == p_value(DOUBTFUL, 0.01)
    assert middle.p > 0.05
    assert loose.p is None
    assert found.passed == ("strict",)
    assert found.own.alpha == pytest.approx(0.05)
    assert found.own.max_drop == 0.01
    assert found.rivals is None


def test_ties_go_by_name() -> None:
    found = certify([Candidate(name, LIKELY, SURE) for name in "cab"], 0.01)
    assert [link.name for link in found.own.links] == ["a", "b", "c"]


def test_without_calibration_counts_the_order_given_stands_behind_those_with() -> None:
    found = certify(
        [Candidate("z", None, SURE), Candidate("a", None, SURE), Candidate("m", LIKELY, SURE)], 0.01
    )
    assert [link.name for link in found.own.links] == ["m", "z", "a"]
    assert found.own.links[1].calibration_p is None


def test_no_chain_is_longer_than_ten() -> None:
    found = certify([Candidate(f"{i:02}", LIKELY, SURE) for i in range(12)], 0.01)
    assert [link.outcome for link in found.own.links] == ["passed"] * 10 + ["left out"] * 2
    assert found.own.links[-1].p is None


def test_rivals_have_a_chain_of_their_own_and_each_chain_half_of_alpha() -> None:
    """A p-value between 2.5 and 5 % passes alone, and fails beside a rival."""
    close = Counts(538, 3, 3)
    assert p_value(close, 0.01, 0.025) > 0.025
    assert p_value(close, 0.01, 0.05) <= 0.05
    own = [Candidate("point", LIKELY, close)]
    assert certify(own, 0.01).passed == ("point",)
    beside = certify(own, 0.01, rivals=[Candidate("small", None, SURE)])
    assert beside.passed == ("small",)
    assert beside.rivals is not None
    assert [beside.own.alpha, beside.rivals.alpha] == pytest.approx([0.025, 0.025])


def test_nothing_to_certify_is_an_empty_chain() -> None:
    assert certify([], 0.01).passed == ()


def test_a_drop_that_is_no_share_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        certify([], -0.01)
    assert str(caught.value) == (
        "the accuracy that may be lost cannot be used: got -1 points; expected 0 to 100 points"
    )
