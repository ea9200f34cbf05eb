"""The search: never worse than a baseline, hardly worse than looking at everything."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calexnet.certify import Counts
from calexnet.choosing.costs import counted
from calexnet.choosing.pool import Exit, ExitPool
from calexnet.choosing.search import (
    ROUGH,
    Aim,
    alone,
    every_chain,
    ladder,
    search,
    thresholds,
)
from calexnet.gating import choose_exits
from tests.support.choosing_pool import network, pool

SEEDS = st.integers(0, 2**16)


@settings(max_examples=15, deadline=None)
@given(seed=SEEDS, max_drop=st.sampled_from((0.01, 0.02, 0.05)))
def test_it_is_never_worse_than_a_baseline_that_may_be_certified(
    seed: int, max_drop: float
) -> None:
    found, aim = pool(images=160, seed=seed), Aim(max_drop, 1000)
    cost = counted(found)

    best = search(found, cost, aim)[0]

    hits = [one for one in (alone(found, c, cost) for c in found.alone()) if aim.hit(one.counts)]
    assert aim.hit(best.counts)
    assert best.cost <= min(one.cost for one in hits)


def test_what_is_sure_leaves_room_for_luck_in_both_parts() -> None:
    """By hand: 5 of 998 harmed and 5 helped, so 6 and 6 of 1,000: v = 0.012.

    0 + 2.3263 sqrt(0.012 x (1/1,000 + 1/1,000)) + 1.6449 sqrt(0.012 / 1,000) = 0.0171.
    """
    found = Counts(998, 5, 5)

    assert Aim(0.0172, 1000).sure(found)
    assert not Aim(0.0170, 1000).sure(found)
    assert Aim(0.0170, 2000).sure(found)


def _whole(found: ExitPool, aim: Aim) -> float:
    """Return the least cost of all chains that there are."""
    cost = counted(found)
    rungs = [aim.best(ladder(found, c, cost, ROUGH)) for c in every_chain(found) if len(c) > 1]
    rungs += [alone(found, chain, cost) for chain in found.alone()]
    return min(one.cost for one in rungs if aim.hit(one.counts))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_five_points_with_two_heads_cost_at_most_half_a_point_of_saving(seed: int) -> None:
    one = network("net", 5, 10, {"light": 1, "heavy": 4})
    found, aim = pool((one,), images=160, seed=seed), Aim(0.02, 1000)

    best = search(found, counted(found), aim)[0]

    assert 131 == len(set(every_chain(found)))  # 1 + 5 x 2 + 10 x 4 + 10 x 8
    assert best.cost - _whole(found, aim) <= 0.005 * one.macs


def test_a_chain_goes_from_a_small_network_on_to_a_large_one() -> None:
    small, large = network("small", 1, 1, {"light": 1}), network("large", 1, 50, {"light": 1})
    found = pool((small, large), images=200)

    best = search(found, counted(found), Aim(0.02, 1000))[0]

    assert "small" == best.chain[0].network
    assert Exit("large") == best.chain[-1]
    assert best.cost < large.macs


def test_rungs_are_judged_by_thresholds_that_they_had_no_part_in() -> None:
    """Of scores that say nothing, thresholds from the same images would keep all accuracy."""
    found = pool(images=40)
    first, last = Exit("net", "layer1", "light"), Exit("net")
    random = np.random.default_rng(0)
    found.said[first].scores[:] = random.random(40)
    chain, cost = (first, last), counted(found)

    held_out = ladder(found, chain, cost, (0.3,))[0]
    fitted = choose_exits(found.table(chain), thresholds(found, chain, cost, 0.3))

    assert sum(held_out.rates) == pytest.approx(1)
    assert held_out.rates[0] != (fitted == 1).mean()


@pytest.mark.parametrize(
    ("harmed", "images", "hit"), [(0, 1000, True), (0, 200, False), (30, 1000, False)]
)
def test_an_aim_is_hit_where_so_many_images_would_certify_it(
    harmed: int, images: int, hit: bool
) -> None:
    assert hit is Aim(0.01, images).hit(Counts(1000, harmed, 0))
