"""The exact test against brute force in fractions, its laws, and its size by enumeration."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import factorial, lgamma, sqrt
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calexnet.certify import noninferiority as exact

Outcome = tuple[int, int]


def outcomes(images: int) -> Iterator[Outcome]:
    for harmed in range(images + 1):
        for helped in range(images + 1 - harmed):
            yield harmed, helped


def chance(images: int, at: Outcome, lost: Fraction, won: Fraction) -> Fraction:
    """Return the multinomial probability of an outcome, exactly."""
    harmed, helped = at
    rest = images - harmed - helped
    ways = factorial(images) // (factorial(harmed) * factorial(helped) * factorial(rest))
    return ways * lost**harmed * won**helped * (1 - lost - won) ** rest


def brute(images: int, at: Outcome, drop: Fraction, shares: int = 40) -> Fraction:
    """Return the largest probability, over a grid of truths, of what is as good as `at`."""
    every = list(outcomes(images))
    harmed, helped = np.array(every).T
    limits = exact.score_limits(images, harmed, helped, 0.05)
    better = [o for o, one in zip(every, limits, strict=True) if one <= limits[every.index(at)]]
    largest = (1 - drop) / 2
    truths = [largest * step / shares for step in range(shares + 1)]
    return max(sum((chance(images, o, q + drop, q) for o in better), Fraction(0)) for q in truths)


def counts(most: int = 60) -> st.SearchStrategy[tuple[int, int, int]]:
    def of(images: int) -> st.SearchStrategy[tuple[int, int, int]]:
        harmed = st.integers(0, images)
        return harmed.flatmap(
            lambda h: st.tuples(st.just(images), st.just(h), st.integers(0, images - h))
        )

    return st.integers(1, most).flatmap(of)


def test_the_score_by_hand() -> None:
    """2 harmed, 1 helped of 10, a drop of 0: McNemar's (2 - 1) / sqrt(2 + 1)."""
    found = exact.score(np.array([2]), np.array([1]), 10, 0.0)
    assert found[0] == pytest.approx(1 / sqrt(3))


def test_the_score_without_a_difference_by_hand() -> None:
    """The likeliest share of helped is 0, so the variance is n d (1 - d): -sqrt(n d / (1 - d))."""
    found = exact.score(np.array([0]), np.array([0]), 99, 0.01)
    assert found[0] == pytest.approx(-sqrt(99 * 0.01 / 0.99))


@pytest.mark.parametrize("drop", [-0.4, 0.0, 0.01, 0.2])
def test_the_likeliest_shares_maximise_the_likelihood(drop: float) -> None:
    harmed, helped, images = 3, 5, 20
    q = np.linspace(max(0, -drop) + 1e-9, (1 - drop) / 2 - 1e-9, 2_000_001)
    likelihood = harmed * np.log(q + drop) + helped * np.log(q) + 12 * np.log(1 - 2 * q - drop)
    best = q[likelihood.argmax()]
    expected = (harmed - helped - images * drop) / sqrt(images * (2 * best + drop - drop**2))
    found = exact.score(np.array([harmed]), np.array([helped]), images, drop)
    assert found[0] == pytest.approx(expected, rel=1e-4)


def test_two_images_by_hand() -> None:
    """Both helped is the best outcome: q^2 at most, with q + drop harmed: ((1 - d) / 2)^2."""
    p = exact.p_value(2, 0, 2, 0.1, 0.05)
    assert p == pytest.approx(0.45**2, rel=0.02)
    assert p >= 0.45**2


@pytest.mark.parametrize(("images", "drop"), [(1, "1/10"), (3, "0"), (5, "1/5"), (7, "1/100")])
def test_every_p_value_of_few_images_is_that_of_brute_force(images: int, drop: str) -> None:
    allowed = Fraction(drop)
    for at in outcomes(images):
        expected = float(brute(images, at, allowed))
        found = exact.p_value(images, *at, float(allowed), 0.05)
        assert expected - 1e-12 <= found <= expected * 1.01 + 1e-3, at


def test_no_difference_in_sixty_images_certifies_nothing_at_a_point() -> None:
    """With a true drop of a point and no gains, 0.99^60 of all runs show none."""
    assert exact.p_value(60, 0, 0, 0.01, 0.05) == pytest.approx(0.99**60, rel=0.01)
    assert exact.p_value(298, 0, 0, 0.01, 0.05) > 0.05 >= exact.p_value(300, 0, 0, 0.01, 0.05)


def test_what_is_certain() -> None:
    assert exact.p_value(7, 7, 0, 0.3, 0.05) == 1.0
    assert exact.p_value(7, 7, 0, 1.0, 0.05) == 1.0
    assert exact.p_value(7, 6, 0, 1.0, 0.05) == 0.0
    assert exact.p_value(60, 0, 0, 0.0, 0.05) == 1.0
    assert exact.upper_bound(7, 7, 0, 0.05) == 1.0


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(counts(), st.floats(-0.5, 0.999), st.floats(-0.5, 0.999))
def test_the_p_value_falls_with_the_drop_allowed(
    of: tuple[int, int, int], one: float, other: float
) -> None:
    strict, loose = (exact.p_value(*of, drop, 0.05) for drop in sorted((one, other)))
    assert 0 <= loose <= 1
    assert loose <= strict * (1 + 1e-2) + 1e-4


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(counts(), st.floats(0, 0.5))
def test_the_p_value_rises_with_harmed_and_falls_with_helped(
    of: tuple[int, int, int], drop: float
) -> None:
    images, harmed, helped = of
    here = exact.p_value(*of, drop, 0.05)
    if harmed + helped < images:
        assert exact.p_value(images, harmed + 1, helped, drop, 0.05) >= here - 1e-12
        assert exact.p_value(images, harmed, helped + 1, drop, 0.05) <= here + 1e-12
    if harmed:
        assert exact.p_value(images, harmed - 1, helped + 1, drop, 0.05) <= here + 1e-12


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(counts(100), st.sampled_from([0.05, 0.025]))
def test_a_bound_is_what_the_test_certifies(of: tuple[int, int, int], alpha: float) -> None:
    bound = exact.upper_bound(*of, alpha)
    images, harmed, helped = of
    assert (harmed - helped) / images <= bound <= 1
    assert bound == 1 or exact.p_value(*of, bound, alpha) <= alpha
    slack = max(1e-5, 0.05 * sqrt((harmed + helped + 1) / images / images)) + 1e-4
    assert bound - slack < -1 or exact.p_value(*of, bound - slack, alpha) > alpha * 0.9


@pytest.mark.parametrize(("images", "drop"), [(40, 0.05), (120, 0.01), (120, 0.1), (538, 0.01)])
@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_its_size_is_at_most_alpha(images: int, drop: float, alpha: float) -> None:
    """By enumeration of all outcomes, over a grid of truths that the code does not use."""
    harmed, helped = np.meshgrid(np.arange(images + 1), np.arange(images + 1), indexing="ij")
    certified = exact.certified(images, drop, alpha).contains(harmed, helped)
    certified &= harmed + helped <= images
    sizes = []
    for true in (drop, 1.01 * drop, 1.3 * drop):
        for q in np.geomspace(1e-5, (1 - true) / 2 - 1e-9, 49):
            sizes.append(probability(images, harmed, helped, q + true, q)[certified].sum())
    assert max(sizes) <= alpha
    assert max(sizes) > 0.6 * alpha or images == 40


def probability(
    images: int, harmed: exact.Integers, helped: exact.Integers, lost: float, won: float
) -> exact.Floats:
    """Return the multinomial probabilities of outcomes; what lies outside is meaningless."""
    ways = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, images + 1)))])
    rest = np.maximum(images - harmed - helped, 0)
    counted = ways[images] - ways[harmed] - ways[helped] - ways[rest]
    return np.asarray(
        np.exp(
            counted + harmed * np.log(lost) + helped * np.log(won) + rest * np.log(1 - lost - won)
        )
    )


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_the_test_for_many_outcomes_decides_as_the_p_value_does(alpha: float) -> None:
    certified = exact.certified(300, 0.01, alpha)
    for harmed, helped in outcomes(7):
        sure = exact.p_value(300, harmed, helped, 0.01, alpha) <= alpha
        assert certified.contains(np.array([harmed]), np.array([helped]))[0] == sure


def test_the_probability_of_a_set_of_outcomes_is_the_sum_of_theirs() -> None:
    certified = exact.certified(60, 0.05, 0.05)
    harmed, helped = (np.array(side) for side in zip(*outcomes(60), strict=True))
    each = probability(60, harmed, helped, 0.06, 0.03)
    assert certified.probability(0.06, 0.03) == pytest.approx(
        each[certified.contains(harmed, helped)].sum(), abs=1e-9
    )


@pytest.mark.parametrize("alpha", [0.05, 0.025])
def test_many_images_agree_with_the_normal_distribution(alpha: float) -> None:
    """At a drop whose score is just alpha's point, the p-value is alpha but for some percent."""
    low, high = 0.005, 0.02
    while high - low > 1e-9:
        middle = (low + high) / 2
        score = exact.score(np.array([300]), np.array([200]), 20_000, middle)[0]
        low, high = (low, middle) if score < NormalDist().inv_cdf(alpha) else (middle, high)
    assert exact.p_value(20_000, 300, 200, high, alpha) == pytest.approx(alpha, rel=0.12)


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        ((540, 5, 2), 0.015522999963714373),
        pytest.param((10_000, 90, 40), 0.0069467105954057395, marks=pytest.mark.slow),
        pytest.param((50_000, 400, 150), 0.0057964121547400905, marks=pytest.mark.slow),
    ],
)
def test_bounds_stay_what_they_were(of: tuple[int, int, int], expected: float) -> None:
    """Found when each number of images had a table of factorials of its own."""
    assert exact.upper_bound(*of, 0.05) == pytest.approx(expected, abs=1e-9)


@given(st.integers(0, 3000))
def test_one_table_of_factorials_holds_all_that_are_asked_for(most: int) -> None:
    found = exact._factorials(most)

    assert most < len(found) <= max(1, 2 * most)
    assert found[most] == lgamma(most + 1)
