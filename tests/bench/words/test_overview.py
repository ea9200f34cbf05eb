"""The report on one screen: a ratio for every setting and batch size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from calexnet.bench.report.times import Verdict
from calexnet.bench.words import overview
from tests.support.sample_report import AMORTISATION, sample_report


def test_a_cell_for_every_setting_and_batch() -> None:
    table = overview.table(sample_report())

    assert [c.title for c in table.columns] == ["Setting", *(f"Batch {b}" for b in (1, 2, 4, 8))]
    assert table.rows == (
        ("1 thread", "0.600", "0.750", "0.990?", "1.20"),
        ("4 threads", "0.750", "n/a", "n/a", "n/a"),
    )


def test_several_targets_are_named() -> None:
    rows = (*AMORTISATION, replace(AMORTISATION[0], target="tflite"))

    names = [line.name for line in overview.lines(sample_report(amortisation=rows))]

    assert names == [
        "onnxruntime fp32, 1 thread",
        "onnxruntime fp32, 4 threads",
        "tflite fp32, 1 thread",
    ]


@pytest.mark.parametrize(
    ("low", "high", "decided"),
    [(0.5, 0.999, "cascade"), (0.9, 1.0, "unclear"), (1.0, 1.1, "unclear"), (1.001, 2, "plain")],
)
def test_the_interval_decides(low: float, high: float, decided: Verdict) -> None:
    row = replace(AMORTISATION[0], ratio_low=low, ratio_high=high)
    assert overview.verdict_of(row) == decided


def test_a_terminal_shows_columns() -> None:
    head, one, four = overview.text(sample_report()).splitlines()
    assert head.split()[3:] == ["1", "2", "4", "8"]
    assert one.index("0.990?") + 5 == head.index("4") + 1
    assert four.split()[-1] == "n/a"


def test_nothing_measured_is_an_empty_table() -> None:
    assert overview.table(sample_report(amortisation=())).records == ()
    assert overview.text(sample_report(amortisation=())) == "images a call"


def test_the_notes_say_which_operating_point_is_meant_and_what_a_line_is() -> None:
    (one,) = overview.notes(sample_report())
    assert "at its default operating point, margin-0.02" in one
    rows = (*AMORTISATION, replace(AMORTISATION[0], precision="int8"))
    assert "int8 is rounded to 8 bits" in overview.notes(sample_report(amortisation=rows))[1]
