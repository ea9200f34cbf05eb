"""What TensorRT says, kept by call: no more of it than a message needs, from any thread."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from calexnet.runtimes.tensorrt.log import recording_log
from tests.support import tensorrt_stand_in

ERROR = tensorrt_stand_in.ILogger.Severity.ERROR


@pytest.fixture
def log() -> Any:
    """The log of a module that nobody else has."""
    return recording_log(tensorrt_stand_in.module(tensorrt_stand_in.Cuda()))


def test_two_calls_at_once_lose_nothing_of_each_other(log: Any) -> None:
    """One begins and ends while the other is on its way."""
    outer = log.mark()
    log.log(ERROR, "first")
    inner = log.mark()
    log.log(ERROR, "second")

    assert "second" == log.text(inner)
    assert "first; second" == log.text(outer)
    assert "nothing in its log" == log.text(log.mark())


def test_it_does_not_grow_with_what_is_said(log: Any) -> None:
    since = log.mark()
    for number in range(5000):
        log.log(ERROR, f"line {number}")

    assert 1000 == len(log._lines)
    assert [f"line {number}" for number in range(4988, 5000)] == log.text(since).split("; ")


def test_threads_may_speak_while_it_is_read(log: Any) -> None:
    def speak(thread: int) -> set[str]:
        told = set()
        for number in range(300):
            since = log.mark()
            log.log(ERROR, f"{thread}.{number}")
            told.add(log.text(since))
        return told

    with ThreadPoolExecutor(4) as pool:
        told = set().union(*pool.map(speak, range(4)))

    assert "nothing in its log" not in told
    assert 4 * 300 == log.mark()
