"""Chains of exits: in which order, and which pieces they are made of."""

from __future__ import annotations

import numpy as np

from calexnet.choosing.pool import Exit, pieces
from calexnet.export.pool.document import Span
from tests.support.choosing_pool import network, pool

SMALL, LARGE = (network(name, 1, 10, {"light": 1}) for name in ("small", "large"))


def test_a_piece_begins_where_the_one_before_ended_and_another_network_with_the_image() -> None:
    chain = (Exit("small", "layer1", "light"), Exit("large", "layer1", "light"), Exit("large"))

    assert (
        Span("small", None, "layer1", "light"),
        Span("large", None, "layer1", "light"),
        Span("large", "layer1", None, None),
    ) == pieces(chain)


def test_exits_rise_by_network_and_place_and_the_end_is_last() -> None:
    found = pool((SMALL, LARGE))

    assert ["small", "small", "large", "large"] == [one.network for one in found.exits()]
    assert ["layer1", None] * 2 == [one.place for one in found.exits()]


def test_every_exit_alone_is_a_baseline_the_reference_first() -> None:
    found = list(pool((SMALL, LARGE)).alone())

    assert (Exit("large"),) == found[0]
    assert 4 == len(found) == len(set(found))


def test_a_table_holds_the_answers_of_a_chain_in_its_order() -> None:
    found = pool()
    chain = (Exit("net", "layer2", "heavy"), Exit("net"))

    table = found.table(chain)

    assert np.array_equal(found.said[chain[0]].labels, table.labels[0])
    assert np.array_equal(found.said[chain[1]].scores, table.scores[1])
