"""What the report says of energy and of the machine, with a sensor and without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from calexnet.bench.page import html
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import (
    EnergyComparison,
    EnergyCost,
    EnergyCrossoverRow,
    EnergyMethod,
    EnergyRow,
    ExitEnergyRow,
    ProbeCost,
)
from calexnet.bench.words import markdown
from calexnet.bench.words.tables import device as device_tables
from calexnet.bench.words.tables import energy as energy_tables
from calexnet.bench.words.tables import order as tables
from calexnet.bench.words.tables.table import Table
from calexnet.devices.base import Clock, DeviceState
from calexnet.devices.energy import SourceRecord
from tests.support.sample_report import NO_SENSOR, SUBJECT, sample_report

GROSS = EnergyComparison(
    EnergyCost(0.05, 0.048, 0.052), EnergyCost(0.02, 0.019, 0.021), 0.4, 0.38, 0.43, "cascade"
)
NET = EnergyComparison(
    EnergyCost(1e-14, -2e-13, 2e-13), EnergyCost(0.001, 0.0, 0.002), None, None, None, "unclear"
)
METHOD = EnergyMethod(
    SourceRecord("ina3221", "power", 0.05, 0.007, "the module", ("VDD_IN",), averaging_s=0.007),
    {"rapl": "not here"},
    windows=5,
    window_s=1.0,
    idle_before_w=4.75,
    idle_after_w=None,
    idle_message="gone",
    probe=ProbeCost(809, 0.345, 0.004, 1.002, 0.99, 1.01),
)


def measured() -> Report:
    return sample_report(
        energy=(
            EnergyRow(*SUBJECT, 1, 1, GROSS, NET, None, 0.02, 0.012),
            EnergyRow(*SUBJECT, 8, 1, None, None, "late: gone", 0.02, 0.012, 0.6, 0.36),
        ),
        exit_energy=(
            ExitEnergyRow(*SUBJECT, 1, 0.625, GROSS.cascade, None, None),
            ExitEnergyRow(*SUBJECT, 2, 0.375, None, None, "late: gone"),
        ),
        energy_crossover=(EnergyCrossoverRow(*SUBJECT, 1, 1, 0.25, 0.2, 0.31, 0.625, 0.021, 0.02),),
        energy_method=replace(METHOD, cpu_tdp_w=15.0),
    )


def column(table: Table[Any], title: str) -> list[str]:
    index = [c.title for c in table.columns].index(title)
    return [row[index] for row in table.rows]


def facts(table: Table[Any]) -> dict[str, str]:
    return {row[0]: row[1] for row in table.rows}


def test_without_a_sensor_the_table_says_why_once_and_never_zero() -> None:
    method = EnergyMethod(None, {"rapl": NO_SENSOR}, remedies={"rapl": "A meter."})
    report = replace(sample_report(), energy_method=method)

    table = energy_tables.energy(report)

    assert not [one.title for one in table.columns if "mJ" in one.title or "Ratio" in one.title]
    assert "Energy exit by exit" not in [one.title for one in energy_tables.energy_tables(report)]
    assert "Energy an image" not in [row[0] for row in tables.glance(report).rows]
    assert 1 == table.notes.count("What would measure it: rapl: A meter.")
    assert ["20.1", "15.2"] == column(table, "Plain, CPU-seconds / 1000")
    said = [note for note in table.notes if NO_SENSOR in note]
    assert [f"Not measured: rapl: {NO_SENSOR}."] == said


def test_with_a_sensor_both_ways_of_counting_idle_stand_side_by_side() -> None:
    table = energy_tables.energy(measured())

    assert ["50.0 (48.0 to 52.0)", "n/a"] == column(table, "Plain, mJ")
    assert ["0.400 (0.380 to 0.430)", "n/a"] == column(table, "Ratio")
    assert ["cascade uses less", "n/a"] == column(table, "Verdict")
    assert "0 (0 to 0)" == column(table, "Plain above idle, mJ")[0], "that is arithmetic's noise"
    assert "n/a" == column(table, "Ratio above idle")[0]
    assert table.notes[:3] == (
        "Not measured: late: gone.",
        "Energy with 1 thread: cascade uses less at batch 1 (ratio 0.400).",
        "Break-even in joules, predicted, at batch 1 on one thread: plain and cascade use the same "
        "if 25.0 % (20.0 % to 31.0 %) of the images leave early; 62.5 % do. The exits' joules, "
        "recombined, come to 21.0 mJ, 20.0 mJ were measured (+5.0 %).",
    )
    assert (
        "Energy an image",
        "0.0500 J",
        "0.0200 J",
        "ratio 0.400 (0.380 to 0.430)",
    ) == tables.glance(measured()).rows[-1]


def test_never_is_said_in_words() -> None:
    row = replace(measured().energy_crossover[0], break_even_exit_rate=None)

    notes = energy_tables.energy(replace(measured(), energy_crossover=(row,))).notes

    assert any("even if every image left early, the cascade would use more" in n for n in notes)


def test_joules_break_even_at_every_batch_that_was_measured() -> None:
    single = measured().energy_crossover[0]
    more = (replace(single, batch=8, recombined_j=None, break_even_high=None),)
    never = (replace(single, batch=32, break_even_exit_rate=None, recombined_j=None),)
    report = replace(measured(), energy_crossover=(single, *more, *never))

    table = energy_tables.crossover(report)

    assert ["25.0 % (20.0 % to 31.0 %)", "25.0 % (20.0 % to never)", "n/a (never saves)"] == column(
        table, "Break-even exit rate in joules (predicted), 95 % interval"
    )
    assert ["1", "8", "32"] == column(table, "Batch")
    assert table.title in [one.title for one in energy_tables.energy_tables(report)]
    assert 1 == sum("Break-even in joules" in note for note in energy_tables.energy(report).notes)


def test_exits_have_their_own_energy_or_the_reason() -> None:
    table = energy_tables.exit_energy(measured())

    assert ["20.0 (19.0 to 21.0)", "n/a"] == column(table, "Energy, mJ")
    assert "Not measured: late: gone." == table.notes[0]


def test_an_estimate_is_a_table_of_its_own_and_says_so() -> None:
    shown = energy_tables.energy_tables(measured())

    table = next(t for t in shown if t.anchor == "estimate")
    assert ["n/a", "~600"] == column(table, "Plain, mJ, estimated")
    assert table.notes[0].startswith("Estimated, not measured: processor-seconds times 15.0 W")
    assert "600" not in " ".join(" ".join(row) for row in energy_tables.energy(measured()).rows)
    assert "estimate" not in {t.anchor for t in energy_tables.energy_tables(sample_report())}


def test_the_method_names_sensor_rails_windows_idle_power_and_cost() -> None:
    shown = facts(energy_tables.method(measured()))

    assert "ina3221: watts, read every 50.0 ms, each the mean of 7.00 ms" == shown["Sensor"]
    assert ("the module", "VDD_IN (measured)") == (shown["Covers"], shown["Rails"])
    assert "5 a figure, 1.00 s each at least" == shown["Windows"]
    assert "4.75 W before, n/a after (gone)" == shown["Idle power"]
    assert "not here" == shown["Not usable: rapl"]
    assert shown["What reading costs"] == (
        "809 readings of 0.345 ms; 0.4 % of a core; plain takes 1.002 (0.990 to 1.010) times as "
        "long beside it"
    )
    nothing = EnergyMethod(None, {"rapl": "not here"})
    shown = facts(energy_tables.method(replace(measured(), energy_method=nothing)))
    assert {"Sensor": "n/a: rapl: not here", "Not usable: rapl": "not here"} == shown
    counter = SourceRecord("rapl", "counter", 0.01, 0.001, "packages", ("a", "b"), "sum")
    shown = facts(
        energy_tables.method(replace(measured(), energy_method=replace(METHOD, source=counter)))
    )
    assert "rapl: counter of joules, ticks every 1.00 ms" == shown["Sensor"]
    assert "a, b (sum)" == shown["Rails"]


def test_every_format_shows_it() -> None:
    shown = "".join(map(markdown.section, tables.tables(measured())))
    for text in (shown, html.render(measured())):
        assert "How energy was measured" in text
        assert "cascade uses less" in text


def test_the_device_before_and_after() -> None:
    before = DeviceState(
        0.5, (Clock("gpu", 306.0, 306.0, 1020.0, "podgov"),), {"cpu": 48.25}, {"gpu": 0.4}, ()
    )
    after = DeviceState(
        1.5, (Clock("gpu", 1020.0, 1020.0, 1020.0),), {}, {}, ("heat",), {"alarm": 3}
    )
    sample = sample_report()
    report = replace(
        sample, device=replace(sample.device, state=before, board="b"), device_after=after
    )

    shown = {row[0]: row[1:] for row in device_tables.state(report).rows}

    assert ("0.50", "1.50") == shown["Load, mean of one minute"]
    assert ("306 MHz, 306 to 1020 MHz, podgov", "1020 MHz, pinned") == shown["Clock of gpu"]
    assert ("48.2 \u00b0C", "n/a") == shown["Temperature of cpu"]
    assert ("40.0 %", "n/a") == shown["Load of gpu"]
    assert ("no", "heat") == shown["Slowed down"]
    assert ("n/a", "3") == shown["Events: alarm"]
    assert "b" == facts(device_tables.device(report))["Board"]
    assert "n/a" == {row[0]: row[2] for row in device_tables.state(sample).rows}["Slowed down"]
