"""What a chain costs: worked by hand."""

from __future__ import annotations

from calexnet.choosing.costs import counted, expected, to_exit
from calexnet.choosing.pool import Exit
from calexnet.export.pool.document import Span
from tests.support.choosing_pool import pool

CHAIN = (Exit("net", "layer1", "light"), Exit("net", "layer2", "heavy"), Exit("net"))


def test_the_expected_cost_of_a_chain_worked_by_hand() -> None:
    """Stages of 10 and heads of 1 and 4: 11, then 14 more, then 10 more.

    Half of the images leave first and a quarter next, so the pieces run for all, for half and for a
    quarter: 11 + 14 / 2 + 10 / 4 = 20.5.
    """
    cost = counted(pool())

    assert [11, 25, 35] == to_exit(CHAIN, cost).tolist()
    assert 20.5 == expected(CHAIN, cost, (0.5, 0.25, 0.25))


def test_a_piece_over_several_stages_counts_them_all_and_its_own_head_alone() -> None:
    cost = counted(pool())

    assert [24, 34] == cost([Span("net", None, "layer2", "heavy"), Span("net", "layer2")]).tolist()
    assert [30] == cost([Span("net")]).tolist()
