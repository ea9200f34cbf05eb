"""The tables: what each cell says, and the sentences above them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from calexnet.bench.words.figures import amount, counted, listed, percent, points, significant
from calexnet.bench.words.tables import amortisation as cost_tables
from calexnet.bench.words.tables import choice as choice_tables
from calexnet.bench.words.tables import device as device_tables
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables import provenance as provenance_tables
from calexnet.bench.words.tables import times as time_tables
from calexnet.bench.words.tables import work as work_tables
from calexnet.bench.words.tables.table import Table
from tests.support.sample_report import (
    ALTERNATIVES,
    AMORTISATION,
    HOSTILE,
    POINTS,
    SEGMENTS,
    sample_report,
)


def column(table: Table[Any], title: str) -> list[str]:
    index = [c.title for c in table.columns].index(title)
    return [row[index] for row in table.rows]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "n/a"),
        (0.0, "0"),
        (0.01234, "0.0123"),
        (1.0, "1.00"),
        (9.996, "10.0"),
        (12.34, "12.3"),
        (1234.5, "1,234"),
        (-2.5, "-2.50"),
    ],
)
def test_three_significant_digits_never_drop_whole_digits(value: float | None, shown: str) -> None:
    assert significant(value) == shown


def test_small_figures_are_spelled_plainly() -> None:
    assert [amount(1.114e9), amount(702e6), amount(0)] == ["1.11 G", "702 M", "0"]
    assert [percent(0.625), percent(None), percent(-0.0001)] == ["62.5 %", "n/a", "0.0 %"]
    assert [points(-0.008), points(0.002), points(-0.00001)] == ["-0.8", "+0.2", "0.0"]
    assert [counted(1, "thread"), counted(4, "thread")] == ["1 thread", "4 threads"]
    assert [listed(["1"]), listed(["1", "2", "4"])] == ["1", "1, 2 and 4"]


def test_amortisation_shows_prediction_error_against_the_measured_cascade() -> None:
    table = cost_tables.amortisation(sample_report())
    assert column(table, "Plain, ms") == ["20.0", "18.0", "16.0", "15.0", "8.00"]
    assert column(table, "Cascade, ms")[0] == "12.0"
    assert column(table, "Ratio")[3] == "1.200 (1.150 to 1.250)"
    assert column(table, "Predicted cascade, ms")[0] == "11.4"
    assert column(table, "Prediction error")[0] == "-5.0 %"
    # From 11.2 to 12.8 ms around 12.0.
    assert column(table, "Noise of the measured time")[0] == "\u00b1 6.7 %"


def test_break_even_says_never_and_always_in_words() -> None:
    table = cost_tables.crossover(sample_report())
    assert column(table, "Must leave early to break even (predicted)") == [
        "25.0 % (20.0 % to 31.0 %)",
        "50.0 % (45.0 % to 56.0 %)",
        "60.0 % (55.0 % to 66.0 %)",
        "n/a (never pays)",
        "0.0 %, always pays (0.0 % to 4.0 %)",
    ]
    assert column(table, "Verdict")[1:4] == ["cascade is faster", "unclear", "plain is faster"]


def test_operating_points_show_every_figure() -> None:
    row = time_tables.operating_points(sample_report()).rows[1]
    assert row == (
        "margin-0.02 (default)",
        "0.02",
        "-0.8 (-1.3 to -0.3)",
        "cat: -3.0 (-8.5 to +0.5)",
        "0.620 (0.600 to 0.640)",
        "cascade is faster",
        "90.5 % (89.1 % to 91.8 %)",
        "90.0 %",
        "20.0",
        "12.4",
        "40.0 / 22.5 / 37.5",
        "0.600",
        "300 M",
        "290 M",
    )


def test_an_exit_that_nobody_takes_has_no_accuracy_and_says_it_was_forced() -> None:
    table = time_tables.exits(sample_report())
    assert column(table, "Accuracy of those") == ["96.1 %", "n/a", "81.2 %"]
    assert column(table, "Timed on")[1].startswith("forced")
    assert column(table, "Exit") == ["1", "2", "3 (backbone's own head)"]


def test_both_ways_of_counting_heads() -> None:
    table = work_tables.flops(sample_report())
    assert column(table, "Difference") == ["40.0 % saved", "42.0 % saved", "38.0 % saved"]
    slower = replace(sample_report().flops, time_saved=-0.05)
    lost = work_tables.flops(sample_report(flops=slower))
    assert column(lost, "Difference")[2] == "5.0 % more"


def test_work_up_to_each_exit_by_hand() -> None:
    table = work_tables.stages(sample_report().flops.macs)
    # 100 + 10; 100 + 150 + 10 + 5 against 100 + 150 + 5; 500 + 15 against 500.
    assert column(table, "Up to this exit, all heads") == ["110 M", "265 M", "515 M"]
    assert column(table, "Up to this exit, own head") == ["110 M", "255 M", "500 M"]


def test_segments_stand_side_by_side() -> None:
    table = time_tables.segments(sample_report())
    assert [c.title for c in table.columns][2:] == [
        "Plain, ms",
        "Segment 1, ms",
        "Segment 2, ms",
        "Segment 3 (tail), ms",
    ]
    assert table.rows[0] == ("1", "1", "20.0", "6.25", "7.00", "9.50")
    assert column(table, "Batch") == ["1", "2", "4", "8", "1"]


def test_target_and_precision_are_columns_only_if_there_are_several() -> None:
    one = cost_tables.amortisation(sample_report())
    other = replace(AMORTISATION[0], precision="int8")
    several = cost_tables.amortisation(sample_report(amortisation=(*AMORTISATION, other)))
    assert one.columns[0].title == "Batch"
    assert column(several, "Precision") == [*["fp32"] * 5, "int8"]


def test_what_the_system_does_not_say_is_missing_not_zero() -> None:
    facts = {row[0]: row[1] for row in device_tables.device(sample_report()).rows}
    assert facts["Not readable: temperature"] == "no sensor <here>"
    assert facts["Memory"] == "8.00 GiB"


def test_data_that_the_user_vouched_for_say_so_and_have_no_hash() -> None:
    report = sample_report(data=replace(sample_report().data, part="all", sha256=""))
    facts = {row[0]: row[1] for row in provenance_tables.data(report).rows}
    assert facts["Part"].startswith("all (vouched for by the user")
    assert facts["SHA-256"] == "n/a"


def test_anchors_are_unique() -> None:
    anchors = [table.anchor for table in tables.tables(sample_report())]
    assert len(anchors) == len(set(anchors)) == 24


def test_everything_that_could_be_shipped_stands_side_by_side_the_fastest_first() -> None:
    table = choice_tables.alternatives(sample_report())

    assert column(table, "Time an image, ms") == ["7.00", "9.00", "12.4", "20.0"]
    assert column(table, "Ratio to the fastest plain")[2] == "0.620 (0.600 to 0.640)"
    assert column(table, "Accuracy gained or lost, points")[1:] == [
        "-3.3 (-4.1 to -2.5)",
        "-0.8 (-1.3 to -0.3)",
        "reference",
    ]
    assert column(table, "Keeps the accuracy") == ["not sure", "no", "yes", "yes"]


def test_what_decides_is_the_chosen_one_its_rival_the_reference_and_who_is_in_doubt() -> None:
    table = choice_tables.deciding(sample_report())

    assert column(table, "Network") == [
        "the cascade on onnxruntime fp32 at margin-0.02",
        "plain on onnxruntime fp32",
        f"net {HOSTILE}.onnx",
    ]
    assert column(table, "Keeps the accuracy") == ["yes", "yes", "not sure"]
    decision = replace(sample_report().decision, against=None, name=ALTERNATIVES[3].name)
    other = choice_tables.deciding(sample_report(decision=decision))
    assert column(other, "Time an image, ms") == ["7.00", "20.0"]


def test_every_network_says_what_became_of_its_test_and_which_class_loses_most() -> None:
    found = ALTERNATIVES[1]
    tested = found.certificate
    assert tested is not None
    slow, ended = (
        replace(found, name=standing, certificate=replace(tested, standing=standing))
        for standing in ("no use", "not reached")
    )
    table = choice_tables.alternatives(
        sample_report(alternatives=(ALTERNATIVES[0], found, slow, ended))
    )

    assert column(table, "Keeps the accuracy") == ["yes", "no use", "untested", "yes"]
    assert column(table, "Worst class, points")[0] == "cat: -3.0 (-8.5 to +0.5)"
    assert column(table, "Balanced accuracy") == ["90.0 %", "90.0 %", "90.0 %", "91.0 %"]


def test_a_broken_rule_comes_with_what_to_do() -> None:
    table = provenance_tables.validity(sample_report())

    assert column(table, "Rule") == ["foreign process", "throttling"]
    assert column(table, "Allowed") == ["none", "none"]
    assert column(table, "What to do")[1].startswith("Cool the board")


def test_a_glance_at_another_target_is_about_its_own_default_point() -> None:
    other = replace(POINTS[1], target="tflite", ms=5.0, ratio=0.25, change=0.005)
    report = sample_report(operating_points=(*POINTS, other))

    rows = {row[0]: row[1:] for row in tables.glance_at(report, ("tflite", "fp32")).rows}

    assert rows["Time an image"] == ("20.0 ms", "5.00 ms", "ratio 0.250 (0.600 to 0.640)")
    assert rows["Images that leave early"][1] == "62.5 %"
    assert rows["Accuracy"][:2] == ("90.0 %", "90.5 %")
    assert rows["Work an image, FLOPs"] == ("1.00 G", "600 M", "40.0 % saved")
    assert "Energy an image" not in rows


def test_the_foretold_table_has_every_figure() -> None:
    row = time_tables.foretold(sample_report()).rows[1]

    assert row[:4] == ("1", "1", "50.0 %", "14.5 (14.1 to 14.9)")
    assert row[4:] == ("0.725 (0.710 to 0.740)", "16.0 (15.5 to 16.4)", "n/a", "n/a")


def test_one_file_stands_beside_segments_exit_by_exit() -> None:
    (table,) = time_tables.layouts(sample_report())

    assert column(table, "Images that leave at") == ["any exit", "1", "2", "3 (the last exit)"]
    assert table.rows[0] == ("1", "any exit", "12.0", "9.00", "0.750 (0.700 to 0.800)")
    assert time_tables.layouts(sample_report(layouts=())) == ()


def test_a_foretold_energy_has_its_interval_and_its_ratio() -> None:
    row = replace(
        sample_report().foretold[0],
        joules=0.02,
        joules_low=0.019,
        joules_high=0.022,
        joules_ratio=0.4,
        joules_ratio_low=0.38,
        joules_ratio_high=0.43,
    )

    found = time_tables.foretold(sample_report(foretold=(row,))).rows[0]

    assert found[-2:] == ("20.0 (19.0 to 22.0)", "0.400 (0.380 to 0.430)")


def test_a_segment_that_is_lost_in_the_noise_is_not_shown_as_a_time() -> None:
    tail = replace(SEGMENTS[3], ms=-0.28, low=-0.6, high=0.05)

    found = time_tables.segments(sample_report(segments=(*SEGMENTS[:3], tail)))

    assert found.rows[0] == ("1", "1", "20.0", "6.25", "7.00", "under 0.0500")
