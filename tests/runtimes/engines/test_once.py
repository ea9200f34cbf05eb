"""A value made once, when it is asked for."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from calexnet.runtimes.engines.once import Once


def test_it_is_made_once_for_all_threads() -> None:
    made: list[int] = []

    def make() -> int:
        time.sleep(0.01)
        made.append(len(made))
        return made[-1]

    value = Once(make)
    assert [] == made

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: value(), range(32)))

    assert [0] * 32 == found
    assert [0] == made


def test_a_failure_is_not_kept() -> None:
    answers = iter([ValueError("not yet"), 7])

    def make() -> object:
        answer = next(answers)
        if isinstance(answer, ValueError):
            raise answer
        return answer

    value = Once(make)
    with pytest.raises(ValueError, match="not yet"):
        value()

    assert 7 == value() == value()
