"""The plots: valid XML, points where hand and ruler put them."""

from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from calexnet.bench.page import plots
from calexnet.bench.page.plots import Frame
from calexnet.bench.report.document import Report
from tests.support.sample_report import AMORTISATION, CROSSOVER, one_batch_report, sample_report


def parse(plot: str) -> ElementTree.Element:
    return ElementTree.fromstring(plot)


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """Return the drawn elements of class `name`, without the legend's samples."""
    legend = {id(e) for group in root.iter("g") for e in group.iter()}
    return [e for e in root.iter() if name in e.get("class", "").split() and id(e) not in legend]


def latency(report: Report) -> list[str]:
    return [*plots.latency_plots(report).values()]


def break_even(report: Report) -> list[str]:
    return [*plots.break_even_plots(report).values()]


def texts(root: ElementTree.Element) -> list[str]:
    return [e.text or "" for e in root.iter("text")]


def test_latency_points_by_hand() -> None:
    # Batches 1, 2, 4, 8 from x = 65 to 335 in steps of 90; y = 254 at 0 ms and 74 at 20 ms, so
    # 9 px a ms: 20, 18, 16 and 15 ms are at 74, 92, 110 and 119.
    root = parse(latency(sample_report())[0])
    plain, cascade = of_class(root, "line")
    assert plain.get("points") == "65.0,74.0 155.0,92.0 245.0,110.0 335.0,119.0"
    # 12, 13.5, 15.84 and 18 ms.
    assert cascade.get("points") == "65.0,146.0 155.0,132.5 245.0,111.4 335.0,92.0"
    circles = [(c.get("cx"), c.get("cy")) for c in of_class(root, "mark") if c.tag == "circle"]
    assert circles == [("65.0", "74.0"), ("155.0", "92.0"), ("245.0", "110.0"), ("335.0", "119.0")]


def test_the_interval_bar_is_drawn_at_the_plain_time() -> None:
    root = parse(latency(sample_report())[0])
    bars = of_class(root, "bar")
    # Batch 8: 15 ms x 1.15 and x 1.25 = 17.25 and 18.75 ms, at y = 254 - 9 x.
    assert (bars[3].get("d") or "").startswith("M335.0 98.8V85.2")
    assert len(bars) == 4


def test_only_what_is_unclear_has_an_open_mark() -> None:
    times = parse(latency(sample_report())[0])
    assert [e.get("x") for e in of_class(times, "unclear")] == ["241.0"]
    needed = parse(break_even(sample_report())[0])
    assert [e.get("cx") for e in of_class(needed, "unclear")] == ["245.0"]


def test_break_even_points_by_hand() -> None:
    # 0 % at y = 254, 100 % at y = 100: 25 %, 50 % and 60 % are at 215.5, 177 and 161.6.
    root = parse(break_even(sample_report())[0])
    (line,) = of_class(root, "line")
    assert line.get("points") == "65.0,215.5 155.0,177.0 245.0,161.6"
    (observed,) = of_class(root, "observed")
    # 62.5 % at 254 - 96.25, from edge to edge of the frame.
    points = (observed.get("points") or "").split()
    assert (points[0], points[-1]) == ("50.0,157.8", "350.0,157.8")


def test_never_pays_is_a_cross_above_the_scale_and_a_gap_in_the_line() -> None:
    rows = (
        CROSSOVER[0],
        CROSSOVER[1],
        replace(CROSSOVER[2], break_even_exit_rate=None),
        replace(CROSSOVER[3], break_even_exit_rate=0.9),
        replace(CROSSOVER[3], break_even_exit_rate=0.95, batch=16),
    )
    root = parse(break_even(sample_report(crossover=rows))[0])
    assert [len((e.get("points") or "").split()) for e in of_class(root, "line")] == [2, 2]
    (cross,) = of_class(root, "never")
    assert "batch 4: never pays" in "".join(cross.itertext())
    # Its middle is on the line marked never, at y = 74.
    assert "69.0" in (cross.get("d") or "")
    assert "never" in texts(root)


def test_the_never_line_is_only_there_if_needed() -> None:
    root = parse(break_even(sample_report(crossover=CROSSOVER[:3]))[0])
    assert "never" not in texts(root)
    assert of_class(root, "never") == []


def test_always_pays_is_at_the_foot() -> None:
    root = parse(break_even(sample_report())[1])
    (dot,) = of_class(root, "mark")
    assert (dot.get("cx"), dot.get("cy")) == ("200.0", "254.0")


def test_one_batch_is_drawn_in_the_middle() -> None:
    root = parse(latency(one_batch_report())[0])
    assert {e.get("cx") for e in of_class(root, "plain") if e.tag == "circle"} == {"200.0"}


def test_order_of_rows_does_not_matter() -> None:
    shuffled = sample_report(
        amortisation=tuple(reversed(AMORTISATION[:4])), crossover=tuple(reversed(CROSSOVER[:4]))
    )
    assert latency(shuffled)[0] == latency(sample_report())[0]
    assert break_even(shuffled)[0] == break_even(sample_report())[0]


def test_labels_of_close_batches_are_left_out_but_their_ticks_stay() -> None:
    # Six octaves of 45 px: 3 lies 26.3 px after 2, 4 only 18.7 px after 3.
    batches = (1, 2, 3, 4, 5, 6, 7, 8, 64)
    rows = tuple(replace(AMORTISATION[0], batch=batch) for batch in batches)
    root = parse(latency(sample_report(amortisation=rows))[0])
    labels = [e.text for e in root.iter("text") if e.get("y") == "272.0"]
    assert labels == ["1", "2", "3", "5", "8", "64"]
    assert sum((e.get("d") or "").endswith("v4") for e in of_class(root, "grid")) == len(batches)


@pytest.mark.parametrize(
    ("kind", "last"),
    [
        ("latency", "batch 8: plain 15.0 ms, cascade 18.0 ms."),
        ("break-even", "batch 8: never pays, observed 62.5 %, plain is faster."),
    ],
)
def test_read_aloud(kind: str, last: str) -> None:
    make = latency if kind == "latency" else break_even
    one, four = map(parse, make(sample_report()))
    assert one.get("role") == four.get("role") == "img"
    assert one.get("aria-labelledby") == f"{kind}-0-title {kind}-0-desc"
    assert {e.get("id") for e in one.iter() if e.get("id")} == {f"{kind}-0-title", f"{kind}-0-desc"}
    assert (one.findtext("title") or "").endswith(", 1 thread")
    assert last in (one.findtext("desc") or "")


def test_a_hostile_target_name_stays_text() -> None:
    rows = (*AMORTISATION, replace(AMORTISATION[0], target='<b>"&'))
    named = parse(latency(sample_report(amortisation=rows))[-1])
    assert texts(named)[0] == '<b>"& fp32, 1 thread'


def test_frame_keeps_equal_ratios_equally_far() -> None:
    frame = Frame((1, 4, 16), 10.0)
    assert frame.x(4) - frame.x(1) == pytest.approx(frame.x(16) - frame.x(4))
    assert (frame.y(0.0), frame.y(10.0)) == (254, 74)
