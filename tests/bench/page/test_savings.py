"""Work saved beside time saved: bars as long as they should be."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

from calexnet.bench.page import savings
from tests.support.sample_report import POINTS, sample_report


def bars(plot: str) -> list[tuple[str, str, str]]:
    root = ElementTree.fromstring(plot)
    found = [e for e in root.iter("rect") if (e.get("x") or "") != "-8"]
    return [(e.get("class", ""), e.get("x", ""), e.get("width", "")) for e in found]


def test_bars_by_hand() -> None:
    # 190 px are all of it: 40 % of the work, 38 % of the time.
    assert bars(savings.plot(sample_report())) == [
        ("amount work", "104.0", "76.0"),
        ("amount cascade", "104.0", "72.2"),
    ]


def test_a_loss_is_drawn_to_the_left_and_cut() -> None:
    slow = replace(POINTS[1], ratio=7.4, verdict="unclear")
    plot = savings.plot(sample_report(operating_points=(slow,)))
    assert bars(plot)[1] == ("amount cascade unclear", "9.0", "95.0")
    assert "\u2190 640.0 % more" in plot


def test_no_bar_covers_a_name() -> None:
    slow = replace(POINTS[1], ratio=7.4)
    other = replace(slow, target="a target of a long name")
    root = ElementTree.fromstring(savings.plot(sample_report(operating_points=(slow, other))))
    rows = [float(e.get("y") or 0) for e in root.iter("text") if e.get("class") == "row"]
    assert len(rows) == 2
    for e in root.iter("rect"):
        top = float(e.get("y") or 0)
        if e.get("x") != "-8":
            # A letter reaches from 10 px above its line to 4 px below.
            assert all(top >= y + 4 or top + 12 <= y - 10 for y in rows)


def test_without_operating_points_there_is_no_plot() -> None:
    assert savings.plot(sample_report(operating_points=())) == ""
