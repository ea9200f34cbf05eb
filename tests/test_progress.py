"""Progress: one line on a terminal, few lines in a log."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest

from calexnet import progress
from calexnet.progress import Progress, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def run(clock: Clock, stream: io.StringIO, steps: int, seconds_each: float) -> None:
    with Progress("reading", steps, stream) as bar:
        for _ in range(steps):
            clock.now += seconds_each
            bar.advance()


def test_short_work_prints_a_single_line_in_a_log(clock: Clock) -> None:
    stream = io.StringIO()

    run(clock, stream, steps=4, seconds_each=1.0)

    assert "reading  4/4  4 s\n" == stream.getvalue()


def test_long_work_prints_a_line_every_five_seconds_in_a_log_with_the_time_left(
    clock: Clock,
) -> None:
    stream = io.StringIO()

    run(clock, stream, steps=6, seconds_each=2.5)

    assert [
        "reading  2/6  5 s, 10 s left",
        "reading  4/6  10 s, 5 s left",
        "reading  6/6  15 s",
    ] == stream.getvalue().splitlines()


def test_a_terminal_has_one_line_that_is_redrawn_at_most_ten_times_a_second(clock: Clock) -> None:
    stream = Terminal()

    run(clock, stream, steps=40, seconds_each=0.0625)

    text = stream.getvalue()
    drawings = text.split("\r\x1b[2K")[1:]
    assert "reading  1/40  0 s, 2 s left" == drawings[0]
    assert 21 == len(drawings)  # every second step (0.125 s), and the last line
    assert text.endswith("reading  40/40  2 s\n")
    assert 1 == text.count("\n")


def test_the_note_of_the_last_step_ends_the_line(clock: Clock) -> None:
    stream = io.StringIO()

    with Progress("training", 3, stream) as bar:
        bar.advance(2, note="loss 0.5")
        bar.advance(note="loss 0.2")

    assert "training  3/3  0 s  loss 0.2\n" == stream.getvalue()


def test_an_interruption_leaves_the_count_reached_and_passes_on(clock: Clock) -> None:
    stream = io.StringIO()

    def stopped() -> None:
        with Progress("training", 3, stream) as bar:
            bar.advance()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert "training  1/3  0 s, 0 s left\n" == stream.getvalue()


def test_no_step_at_all_divides_by_nothing(clock: Clock) -> None:
    stream = io.StringIO()

    run(clock, stream, steps=0, seconds_each=1.0)

    assert "reading  0/0  0 s\n" == stream.getvalue()


def test_track_yields_every_item_in_order_and_counts_them_on_standard_error(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    def letters() -> Iterator[str]:
        yield from "abc"

    assert ["a", "b", "c"] == list(track(letters(), "reading", 3))
    assert ("", "reading  3/3  0 s\n") == capsys.readouterr()
