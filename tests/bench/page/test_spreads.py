"""The latency plot: each exit's calls where a ruler puts them."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from calexnet.bench.page import spreads
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from tests.support.sample_report import EXITS, LATENCY, SUBJECT, sample_report


def plot(report: Report) -> ElementTree.Element:
    return ElementTree.fromstring(spreads.spreads(report)[SUBJECT])


def paths(root: ElementTree.Element, kind: str) -> list[str]:
    return [e.get("d") or "" for e in root.iter("path") if e.get("class") == kind]


def test_quantiles_lie_between_those_that_are_kept() -> None:
    # 6.1, 6.4, 6.5, 6.7, 9.9 at 0, 25, 50, 75, 100 %.
    found = [spreads.quantile(EXITS[0], share) for share in (0, 0.25, 0.375, 0.95, 1)]
    assert found == pytest.approx([6.1, 6.4, 6.45, 6.7 + 0.8 * 3.2, 9.9])


def test_percentiles_that_too_few_calls_tell_are_left_out() -> None:
    assert spreads.percentiles(LATENCY[1]) == {"p50": 6.6, "p90": 22.6, "p95": 23.0}
    assert spreads.percentiles(LATENCY[2]) == {}


def test_exits_by_hand() -> None:
    # 95 % of the last exit take at most 29.38 ms, so the scale ends at 30: 16 px + 11.13 a ms.
    root = plot(sample_report())
    broad = paths(root, "broad")[-3:]
    assert broad[0].startswith("M87.3 ")
    assert broad[0].endswith("H90.6")
    assert len(paths(root, "box")) == 1 + 3
    texts = [e.text or "" for e in root.iter("text")]
    assert "exit 1: 62.5 % of images" in texts
    assert "exit 2: forced" in texts
    assert "the end: 37.5 % of images, largest 31.0 ms \u2192" in texts


def test_the_mixtures_percentiles_are_marks_with_their_names() -> None:
    root = plot(sample_report())
    circles = [e for e in root.iter("circle") if e.get("cy") != "0.0"]
    squares = [e for e in root.iter("rect") if "mark" in (e.get("class") or "")]
    assert [e.findtext("title") for e in circles] == [
        "p50: 20.0 ms",
        "p90: 21.0 ms",
        "p95: 22.5 ms",
    ]
    assert [e.findtext("title") for e in squares] == [
        "p50: 6.60 ms",
        "p90: 22.6 ms",
        "p95: 23.0 ms",
    ]


def test_every_percentile_has_a_name_and_none_touches_another() -> None:
    # 20.0 and 21.0 ms lie 11 px apart, too close for two labels; 22.5 ms is then too close as well.
    root = plot(sample_report())
    labels = [e.text for e in root.iter("text") if e.get("class") == "small"]
    assert labels == ["p50 p90 p95", "p50", "p90 p95"]


def test_labels_that_touch_become_one_between_their_marks() -> None:
    found = spreads.names([50.0, 100.0, 110.0, 300.0], ["p50", "p90", "p95", "p99"])
    assert found == [(50.0, "p50"), (105.0, "p90 p95"), (300.0, "p99")]
    apart = spreads.names([50.0, 100.0, 150.0], ["p50", "p90", "p95"])
    assert [label for _, label in apart] == ["p50", "p90", "p95"]


def test_a_label_at_the_edge_stays_in_the_plot() -> None:
    ((middle, label),) = spreads.names([350.0], ["p99"])
    assert label == "p99"
    assert middle + 3.2 * len(label) <= 360


def test_a_hiccup_does_not_press_all_else_into_a_point() -> None:
    # Four times the last exit's 22.4 ms are 89.6, so the scale ends at 100 and not at 2,000.
    slow = replace(LATENCY[1], p99_ms=Interval(2000.0, 1000.0, 3000.0))
    root = plot(sample_report(latency=(LATENCY[0], slow)))
    texts = [e.text or "" for e in root.iter("text")]
    assert "100" in texts
    assert "cascade, all exits, p99 2,000 ms \u2192" in texts
    assert [e.get("x") for e in root.iter("rect") if "p99" in "".join(e.itertext())] == ["346.0"]


def test_read_aloud() -> None:
    words = plot(sample_report()).findtext("desc") or ""
    assert words.startswith("plain: p50 20.0 ms, p90 21.0 ms, p95 22.5 ms; cascade: p50 6.60 ms")
    assert "exit 3: 37.5 % of images, half of the calls within 22.4 ms" in words


def test_without_exits_there_is_no_plot() -> None:
    assert spreads.spreads(sample_report(exits=())) == {}
