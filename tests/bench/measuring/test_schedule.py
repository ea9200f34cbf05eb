"""How often everything is called, and how long that takes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.measuring.schedule import (
    LEAST_BLOCKS,
    LONG_S,
    Outlook,
    calls_within,
    duration,
    schedule,
)


def test_what_is_quick_gets_calls_and_what_is_slow_gets_one() -> None:
    """11 rounds of 100 ms: shares of just under 50 ms are two calls of 20 ms and five of 10 ms."""
    found = schedule({"slow": 0.02, "quick": 0.01}, 1.1, 10)

    assert ({"slow": 1, "quick": 4}, 10) == (found.calls, found.blocks)
    assert {"slow": True, "quick": True} == found.led
    assert pytest.approx(11 * (2 * 0.02 + 5 * 0.01)) == found.seconds


def test_ahead_of_long_calls_goes_none() -> None:
    """11 rounds of 10 s: shares of just under 5 s are two calls of 2 s and five of 1 s."""
    found = schedule({"slow": 2.0, "quick": 1.0}, 110.0, 10)

    assert ({"slow": 2, "quick": 5}, 10) == (found.calls, found.blocks)
    assert {"slow": False, "quick": False} == found.led
    assert pytest.approx(11 * (2 * 2.0 + 5 * 1.0)) == found.seconds


def test_a_large_network_is_timed_in_fewer_blocks() -> None:
    """40 blocks of at least 1 + 2 x 0.02 s, and one ahead, take 43 s; 20.8 s hold 20 rounds."""
    found = schedule({"a": 1.0, "b": 0.02}, 20.801, 40)

    assert ({"a": 1, "b": 1}, 19) == (found.calls, found.blocks)
    assert pytest.approx(20.8) == found.seconds


def test_no_run_is_cut_below_the_blocks_that_intervals_need() -> None:
    found = schedule({"a": 1.0}, 1.0, 40)

    assert LEAST_BLOCKS == found.blocks
    assert pytest.approx(1.0 * (LEAST_BLOCKS + 1)) == found.seconds
    assert 3 == schedule({"a": 1.0}, 1.0, 3).blocks, "unless fewer were asked for"


@given(
    st.lists(st.floats(1e-4, 2.0), min_size=1, max_size=30),
    st.floats(1.0, 500.0),
    st.integers(2, 60),
)
def test_the_time_asked_for_is_kept_or_every_task_has_one_call(
    costs: list[float], seconds: float, blocks: int
) -> None:
    once_s = {str(place): cost for place, cost in enumerate(costs)}

    found = schedule(once_s, seconds, blocks)

    assert min(blocks, LEAST_BLOCKS) <= found.blocks <= blocks
    spent = sum((found.calls[name] + found.led[name]) * once for name, once in once_s.items())
    assert pytest.approx((found.blocks + 1) * spent) == found.seconds
    assert found.seconds <= seconds * (1 + 1e-9) or set(found.calls.values()) == {1}


@given(st.floats(1e-4, 10.0), st.floats(0.0, 100.0))
def test_calls_keep_within_their_share_by_half_a_call(once_s: float, seconds: float) -> None:
    calls = calls_within(seconds, once_s)

    assert calls >= 1
    ahead = once_s < LONG_S
    assert calls == 1 or (calls + ahead) * once_s <= seconds + once_s / 2 * (1 + 1e-9)


LONG = Outlook(12.0, 0.0, 90.0, 540.0, 9.6, 90.0, 14, 40)


@pytest.mark.parametrize(
    ("outlook", "words"),
    [
        (
            LONG,
            "This takes about 11 min in all: loading and answering, done 12 s, timing 14 blocks "
            "2 min, energy 9 min, memory 10 s. 40 blocks would take longer than --seconds.",
        ),
        (
            Outlook(2.0, 60.0, 40.0, 0.0, 0.0, 40.0, 40, 40),
            "This takes about 2 min in all: loading and answering, done 2 s, settling, at most "
            "60 s, timing 40 blocks 40 s.",
        ),
    ],
)
def test_the_whole_duration_is_said_part_by_part(outlook: Outlook, words: str) -> None:
    assert words == outlook.words()


def test_a_run_that_cannot_keep_its_time_says_so_and_what_shortens_it() -> None:
    slow = replace(LONG, timing=250.0, blocks=10)

    assert "That is more than the 2 min of --seconds: single calls are so slow." in slow.words()
    assert "--batch" in slow.words()


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (89.4, "89 s"), (91.0, "2 min"), (6000.0, "1 h 40 min")]
)
def test_a_duration_is_short(seconds: float, words: str) -> None:
    assert words == duration(seconds)
