"""The chain of tests: its order, its end, and classes with limits of their own."""

from __future__ import annotations

import numpy as np
import pytest

from calexnet import certify
from calexnet.certify import Counts
from calexnet.choosing.choice import ClassLimit
from calexnet.choosing.promise import Held, Part, promised

SAFE, HARMFUL, EQUAL = Counts(1000, 2, 2), Counts(1000, 60, 0), Counts(1000, 0, 0)
INFINITE = float("inf")


def held(
    name: str,
    cost: float,
    calibration: Counts,
    test: Counts,
    cat: Counts | None = None,
    expected: Counts | None = None,
) -> Held:
    counts: list[dict[str | None, Counts]] = [{None: calibration}, {None: test}]
    if cat is not None:
        for one in counts:
            one["cat"] = cat
    return Held(name, cost, expected or calibration, *counts)


def test_the_surest_on_calibration_images_comes_first_and_the_chain_ends_where_one_fails() -> None:
    rows = [
        held("bold", 1, Counts(1000, 9, 0), SAFE),
        held("sure", 3, Counts(1000, 1, 0), SAFE),
        held("unlucky", 2, Counts(1000, 5, 0), HARMFUL),
    ]

    found = promised(rows, 0.02, (), most=10)

    assert ["sure", "unlucky", "bold"] == list(found)
    assert ["passed", "failed", "not reached"] == [one.standing for one in found.values()]
    assert found["bold"].p is None
    assert found["sure"].upper == certify.upper_bound(SAFE)


def test_thresholds_that_flatter_their_own_images_make_nobody_surer() -> None:
    rows = [
        held("flattered", 1, EQUAL, SAFE, expected=Counts(1000, 12, 0)),
        held("honest", 2, Counts(1000, 4, 0), SAFE),
    ]

    assert ["honest", "flattered"] == list(promised(rows, 0.02, (), most=10))


def test_the_test_part_has_no_say_in_the_order() -> None:
    rows = [held("a", 2, Counts(1000, 1, 0), HARMFUL), held("b", 1, Counts(1000, 2, 0), SAFE)]

    found = promised(rows, 0.02, (), most=10)

    assert ["failed", "not reached"] == [found[name].standing for name in ("a", "b")]


def test_who_costs_more_than_one_that_is_surer_is_not_tested() -> None:
    rows = [held("sure", 1, SAFE, SAFE), held("dear", 2, Counts(1000, 9, 0), SAFE)]

    assert ["sure"] == list(promised(rows, 0.02, (), most=10))
    assert [] == list(promised(rows, 0.02, (), most=1))
    assert ["sure"] == list(promised(rows, 0.02, (), most=INFINITE))


@pytest.mark.parametrize(("harmed", "standing"), [(0, "passed"), (12, "failed")])
def test_a_class_with_a_limit_has_to_pass_too(harmed: int, standing: str) -> None:
    rows = [held("one", 1, SAFE, SAFE, cat=Counts(200, harmed, 0))]

    found = promised(rows, 0.02, (ClassLimit("cat", 0.05),), most=10)["one"]

    assert standing == found.standing
    (cat,) = found.by_class
    assert ("cat", Counts(200, harmed, 0)) == (cat.name, cat.test)


def test_counts_of_a_class_are_of_its_images_alone() -> None:
    truth = np.array([0, 0, 1, 1])
    part = Part(truth, np.array([True, True, True, False]), ("cat", "dog"))
    labels = np.array([0, 1, 1, 1], np.int32)

    assert Counts(4, 1, 1) == part.counts(labels)
    assert Counts(2, 1, 0) == part.counts(labels, "cat")
