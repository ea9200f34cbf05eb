"""What a run that was cut short leaves behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.bench.measuring.conditions import Look
from calexnet.bench.measuring.journal import Journal
from calexnet.bench.measuring.schedule import Schedule
from calexnet.bench.measuring.timing import Block
from calexnet.devices.base import DeviceState

RUN = {"bundle": "ab", "plan": (1, 2.5, "closed")}
LOOKS = [Look(DeviceState(1.0, throttled=("heat",)), 2.0, 0.5, 0.0), Look(None, 1.0, 0.0, 0.25)]
PLANNED = Schedule(
    2,
    {"1 thread: a": 2, "1 thread: b": 1},
    {"1 thread: a": 2.5, "1 thread: b": 1.5},
    {"1 thread: a": True, "1 thread: b": False},
)
BLOCKS: list[Block] = [{"a": ([0.5, 0.25], 0.125), "b": ([1.0], 0.5)}, {"a": ([0.1, 0.2], 0.0)}]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with two blocks of one group."""
    path = tmp_path / "new" / ".out.journal"
    journal = Journal.open(path, RUN)
    journal.begin(PLANNED)
    for block, look in zip(BLOCKS, LOOKS, strict=True):
        journal.add("1 thread", block, look)
    assert 0 == journal.resumed
    return path


def test_the_same_run_finds_what_was_measured(path: Path) -> None:
    found = Journal.open(path, RUN)

    assert 2 == found.resumed
    assert BLOCKS == found.blocks("1 thread")
    assert LOOKS == found.looks
    assert PLANNED == found.schedule
    assert [] == found.blocks("2 threads")


def test_another_run_begins_anew(path: Path) -> None:
    assert 0 == Journal.open(path, {**RUN, "bundle": "cd"}).resumed
    assert 0 == Journal.open(path, RUN).resumed, "the first was given up for the other"


@pytest.mark.parametrize("lost", [1, 10, 200])
def test_a_line_that_was_cut_is_left_out_and_the_run_goes_on(path: Path, lost: int) -> None:
    path.write_bytes(path.read_bytes()[:-lost])
    journal = Journal.open(path, RUN)
    kept = journal.resumed

    journal.add("1 thread", BLOCKS[1], LOOKS[1])

    assert kept < 2
    assert [*BLOCKS[:kept], BLOCKS[1]] == Journal.open(path, RUN).blocks("1 thread")


def test_a_file_that_is_no_journal_begins_anew(path: Path) -> None:
    path.write_bytes(b"\xff\xfe not json\n")

    assert 0 == Journal.open(path, RUN).resumed


def test_without_a_path_nothing_is_kept() -> None:
    journal = Journal.open(None, RUN)
    journal.begin(PLANNED)
    journal.add("1 thread", BLOCKS[0], LOOKS[0])

    assert [] == journal.blocks("1 thread")
