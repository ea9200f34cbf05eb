"""The arithmetic of ``make choose-study``: what is drawn, what was shipped, what was broken."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks import choose_study
from benchmarks.choose_study import Contender, Population, Row, Shipped
from calexnet.certify import Counts
from calexnet.choosing.costs import counted
from calexnet.choosing.pool import Exit
from calexnet.choosing.search import alone
from tests.support.choosing_pool import network, pool


def population(max_drop: float = 0.05, images: int = 400) -> Population:
    found = pool((network("net", 2, 10, {"light": 1}),), images=images)
    return Population(found, counted(found), max_drop)


def static(whole: Population, one: Exit) -> Contender:
    bars = np.zeros((0, len(whole.pool.classes)), np.float32)
    return Contender(alone(whole.pool, (one,), whole.cost), bars)


def test_parts_are_drawn_with_replacement_and_are_the_same_again() -> None:
    calibration, test = population(images=50).resplit(3, 300)

    assert (200, 300) == (len(calibration), len(test))
    assert len(set(test.tolist())) <= 50
    again = population(images=50).resplit(3, 300)
    assert all(np.array_equal(*pair) for pair in zip((calibration, test), again, strict=True))


def test_what_is_drawn_answers_as_the_population_does() -> None:
    whole, rows = population(), np.array([7, 7, 3])

    drawn = whole.drawn(rows, tested=9)

    assert drawn.tested == 9
    assert np.array_equal(whole.pool.truth[rows], drawn.truth)
    for one, said in drawn.said.items():
        assert np.array_equal(whole.pool.said[one].labels[rows], said.labels)


def test_a_cut_network_saves_what_it_does_not_run() -> None:
    """By hand: stages of 10, heads of 1: the first place costs 11 of 30 MACs."""
    whole = population()
    first = next(one for one in whole.pool.exits() if one.place == whole.pool.networks[0].places[0])

    found = whole.shipped(static(whole, first))

    lost = whole.pool.right(Exit("net")).mean() - whole.pool.right(first).mean()
    assert found.saved == pytest.approx(1 - 11 / 30)
    assert found.drop == pytest.approx(lost)
    assert whole.counts(static(whole, first), slice(None)).drop == pytest.approx(lost)


def test_a_promise_is_broken_by_what_is_certified_and_loses_more() -> None:
    assert Shipped(0.5, 0.011, certified=True).broken(0.01)
    assert not Shipped(0.5, 0.009, certified=True).broken(0.01)
    assert not Shipped(0.0, 0.0, certified=False).broken(0.01)


def test_an_exit_that_is_always_right_is_shipped_and_the_oracle_saves_no_less() -> None:
    whole = population()
    first, end = whole.pool.exits()[0], Exit("net")
    said = {**whole.pool.said, first: replace(whole.pool.said[end])}
    perfect = replace(whole, pool=replace(whole.pool, said=said))

    found = choose_study.chosen(perfect, seed=0, tested=600)

    assert found.certified
    assert found.drop <= 0.05
    assert found.saved >= 1 - 11 / 30 - 1e-9
    assert choose_study.oracle(perfect) >= found.saved - 1e-9


def test_nothing_is_shipped_but_the_reference_where_no_test_passes() -> None:
    whole = population(max_drop=0.0)
    one = static(whole, Exit("net"))
    rows = np.arange(100)

    assert Shipped(0.0, 0.0, certified=False) == choose_study._tested(whole, [one], rows, rows)
    assert Counts(100, 0, 0) == whole.counts(one, rows)


def test_a_line_tells_the_mean_the_tenth_and_the_broken() -> None:
    found = tuple(Shipped(0.1 * k, 0.02 if k == 9 else 0.0, certified=True) for k in range(10))

    line = Row("choose", 1000, found).line(max_drop=0.01)

    assert line.split()[:5] == ["choose", "1,000", "45.0%", "9.0%", "100.0%"]
    assert line.endswith("10.0% (1.8% to 40.4%)")
