"""Every network that could be shipped: where its mark lies, and whether it is open."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from calexnet.bench.page import choices
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from tests.support.sample_report import ALTERNATIVES, HOSTILE, sample_report


def marks(report: Report) -> dict[str, ElementTree.Element]:
    root = ElementTree.fromstring(choices.plot(report))
    titled = [
        e for e in root.iter() if "mark" in e.get("class", "") and e.find("title") is not None
    ]
    return {(e.findtext("title") or "").partition(":")[0]: e for e in titled}


def test_marks_by_hand() -> None:
    # Two points are allowed, so 8 are shown and 2 more over 0: y = 304 at -8 and 112 at +2 points;
    # 20 ms are at 350 - 300 x (1 - 20 / 25), as the scale ends at 25.
    found = marks(sample_report())
    plain = found["plain on onnxruntime fp32"]
    assert (plain.get("cx"), plain.get("cy")) == ("290.0", "150.4")
    cascade = found["the cascade on onnxruntime fp32 at margin-0.02"]
    assert (cascade.get("x"), cascade.get("y")) == (f"{50 + 12 * 12.4 - 4:.1f}", "161.8")


def test_what_does_not_surely_keep_the_accuracy_is_open() -> None:
    opened = {name for name, e in marks(sample_report()).items() if "unclear" in e.get("class", "")}
    assert opened == {ALTERNATIVES[2].name, ALTERNATIVES[3].name}


def test_kinds_differ_in_shape() -> None:
    found = marks(sample_report())
    assert [e.tag for e in found.values()] == ["circle", "rect", "rect", "path"]


def test_a_cut_network_is_a_triangle_with_a_legend_of_its_own() -> None:
    cut = replace(ALTERNATIVES[1], name="cut", kind="cut network", operating_point=None, cut=1)

    drawn = choices.plot(sample_report(alternatives=(*ALTERNATIVES, cut)))

    assert "cut short" in drawn
    assert "cut short" not in choices.plot(sample_report())
    mark = marks(sample_report(alternatives=(*ALTERNATIVES, cut)))["cut"]
    assert ("path", "mark cut") == (mark.tag, mark.get("class"))


def test_what_loses_more_than_the_scale_shows_is_at_its_edge() -> None:
    lossy = replace(ALTERNATIVES[2], drop=Interval(0.4, 0.3, 0.5))
    found = marks(sample_report(alternatives=(*ALTERNATIVES[:2], lossy)))
    assert float(found[lossy.name].get("y", 0)) + 4 == pytest.approx(choices.BOTTOM)


def test_a_network_that_gains_much_leaves_the_scale_readable() -> None:
    gainer = replace(ALTERNATIVES[1], drop=Interval(-0.221, -0.258, -0.182))
    report = sample_report(alternatives=(*ALTERNATIVES, gainer))

    root = ElementTree.fromstring(choices.plot(report))

    axis = [e for e in root.iter("text") if e.get("text-anchor") == "end" and e.get("x") == "44.0"]
    assert [e.text for e in axis] == ["0", "+10", "+20"]
    heights = sorted(float(e.get("y") or 0) for e in axis)
    assert min(b - a for a, b in pairwise(heights)) > 20
    assert "gains 22.1 points" in choices.plot(report)


def test_no_word_stands_where_marks_may_lie() -> None:
    root = ElementTree.fromstring(choices.plot(sample_report()))
    inside = [
        e.text
        for e in root.iter("text")
        if float(e.get("x") or 0) > choices.LEFT
        and choices.TOP < float(e.get("y") or 0) < choices.BOTTOM
    ]
    assert inside == []
    assert "keeps the accuracy: loses at most 2 points" in choices.plot(sample_report())


def test_the_chosen_one_is_ringed() -> None:
    root = ElementTree.fromstring(choices.plot(sample_report()))
    rings = [e for e in root.iter("circle") if e.get("class") == "ring" and e.get("cx")]
    assert [(e.get("cx"), e.get("cy")) for e in rings] == [("198.8", "165.8")]


def test_no_tolerance_and_nothing_to_choose_from_can_be_drawn() -> None:
    strict = replace(sample_report().decision, max_drop=0.0)
    ElementTree.fromstring(choices.plot(sample_report(decision=strict)))
    assert choices.plot(sample_report(alternatives=())) == ""


def test_a_hostile_name_stays_text() -> None:
    assert f"net {HOSTILE}.onnx" in marks(sample_report())
