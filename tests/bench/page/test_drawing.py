"""What plots are made of."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from calexnet.bench.page.drawing import (
    RIGHT,
    below,
    between,
    circle,
    cross,
    diamond,
    square,
    svg,
    text,
    ticks,
)


@pytest.mark.parametrize(
    ("highest", "last", "count"),
    [(20.0, 20.0, 5), (0.37, 0.4, 5), (1.0, 1.0, 6), (101.0, 125.0, 6), (0.0, 1.0, 2)],
)
def test_ticks_are_round_and_reach_the_highest(highest: float, last: float, count: int) -> None:
    found = ticks(highest)
    assert found[-1] == pytest.approx(last)
    assert len(found) == count
    assert found[0] == 0


@pytest.mark.parametrize(
    ("lowest", "highest", "expected"),
    [
        (-4.0, 22.5, (0, 10, 20)),
        (-4.0, 1.0, (-4, -3, -2, -1, 0, 1)),
        (-1.0, 0.25, (-1, -0.75, -0.5, -0.25, 0, 0.25)),
        (-8.0, 2.0, (-8, -6, -4, -2, 0, 2)),
    ],
)
def test_ticks_on_both_sides_of_0(
    lowest: float, highest: float, expected: tuple[float, ...]
) -> None:
    assert between(lowest, highest) == pytest.approx(expected)


@pytest.mark.parametrize("mark", [circle, square, diamond, cross])
def test_a_mark_says_its_words_to_a_pointer(mark: object) -> None:
    assert callable(mark)
    plot = ElementTree.fromstring(svg("a", "A", "b", 100, [mark(10, 20, "plain", "<1> & 2")]))
    drawn = plot[-1]
    assert drawn.get("class") == "mark plain"
    assert drawn.findtext("title") == "<1> & 2"


def test_a_label_never_leaves_the_plot() -> None:
    inner, last = (ElementTree.fromstring(below(x, 10, "1.25")) for x in (200.0, float(RIGHT)))
    assert (inner.get("x"), inner.get("text-anchor")) == ("200.0", "middle")
    assert (last.get("x"), last.get("text-anchor")) == ("358.0", "end")


def test_texts_and_titles_are_disarmed() -> None:
    plot = ElementTree.fromstring(svg("a", "<t>", "<d>", 100, [text(1, 2, "<b>&", "axis")]))
    assert [plot.findtext(tag) for tag in ("title", "desc", "text")] == ["<t>", "<d>.", "<b>&"]
    assert plot.get("viewBox") == "0 0 360 100"
