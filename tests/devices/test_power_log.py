"""What a meter's log says by its heading: units, times, signs; and what cannot be told."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.devices.power_log import read_log
from calexnet.errors import InputError


def read(folder: Path, text: str, volts: float | None = None, name: str = "m.csv") -> list[float]:
    """Return times, then watts, of a log with two rows."""
    (folder / name).write_text(text, "utf-8")
    times_s, watts = read_log(folder / name, volts)
    return [*times_s.tolist(), *watts.tolist()]


@pytest.mark.parametrize(
    ("heading", "rows", "watts"),
    [
        ("time,W", ("1,4.7", "2,5"), (4.7, 5.0)),
        ("time,power_mW", ("1,4700", "2,5000"), (4.7, 5.0)),
        ("t [s],Power [uW]", ("1,4.7e6", "2,5e6"), (4.7, 5.0)),
        ("elapsed_s,milliwatts", ("1,4700", "2,5000"), (4.7, 5.0)),
        ("time,kW", ("1,.0047", "2,.005"), (4.7, 5.0)),
        ("time,current (mA),voltage (mV)", ("1,940,5000", "2,1000,5000"), (4.7, 5.0)),
        ("time,volts,amps", ("1,5,0.94", "2,5,1"), (4.7, 5.0)),
        # Power that is logged is taken, current and voltage beside it are not.
        ("time (s),current (A),voltage (V),power (W)", ("1,9,9,4.7", "2,9,9,5"), (4.7, 5.0)),
        ("Time (s),Watt,Energy (Wh),Temperature (C)", ("1,4.7,8,40", "2,5,9,41"), (4.7, 5.0)),
        (",time,W", ("0,1,4.7", "1,2,5"), (4.7, 5.0)),  # an index in front
        ("time;W", ("1;4,7", "2;5"), (4.7, 5.0)),
        ("time\tcurrent_A\tvoltage_V", ("1\t0,94\t5", "2\t1\t5,0"), (4.7, 5.0)),
        ("time;current_A;voltage_V", ("1;0.94;5", "2;1.0;5"), (4.7, 5.0)),
        ("\ufeffTime (s),Power (W)", ("1,4.7", "2,5"), (4.7, 5.0)),
        # By name: Joulescope, Monsoon (two programs), CurrentRanger.
        ("#time,current,voltage,power,charge,energy", ("1,9,9,4.7,0,0", "2,9,9,5,0,0"), (4.7, 5.0)),
        (
            "Time (s),Main Avg Current (mA),Main Avg Voltage (V),Main Max Current (mA)",
            ("1,940,5,2000", "2,1000,5,2000"),
            (4.7, 5.0),
        ),
        ("Time(s),Main(mA),Main Voltage(V),", ("1,940,5,", "2,1000,5,"), (4.7, 5.0)),
        (
            "Time(s),USB(mA),Aux(mA),Main(mA),Main Voltage(V),USB Voltage(V)",
            ("1,7,7,940,5,7", "2,7,7,1000,5,7"),
            (4.7, 5.0),
        ),
        ("timestamp,amps,voltage_v", ("1,0.94,5", "2,1,5"), (4.7, 5.0)),
    ],
)
def test_a_heading_says_the_unit(
    tmp_path: Path, heading: str, rows: tuple[str, str], watts: tuple[float, float]
) -> None:
    assert [1.0, 2.0, *watts] == pytest.approx(read(tmp_path, "\n".join([heading, *rows]) + "\n"))


def test_current_alone_takes_the_supply_s_volts(tmp_path: Path) -> None:
    """As a PPK2 logs; and a micro sign as Windows writes it."""
    text = "Timestamp(ms),Current(uA),D0-D7\n1000,940000,00000000\n2000,1000000,00000001\n"
    assert [1.0, 2.0, 4.7, 5.0] == pytest.approx(read(tmp_path, text, volts=5.0))
    (tmp_path / "w.csv").write_bytes("time,\u00b5A\n1,940000\n2,1000000\n".encode("latin-1"))
    assert pytest.approx([4.7, 5.0]) == read_log(tmp_path / "w.csv", 5.0)[1].tolist()


def test_an_otii_names_the_channel_in_the_file_s_name(tmp_path: Path) -> None:
    text = "Timestamp,Value\n1,4.7\n2,5\n"

    assert [1.0, 2.0, 4.7, 5.0] == read(tmp_path, text, name="Main power - Arc.csv")
    assert [23.5, 25.0] == read(tmp_path, text, 5.0, name="Main current - Arc.csv")[2:]
    with pytest.raises(InputError, match="neither power nor current among the headings 'Time"):
        read(tmp_path, text, name="log.csv")


UNIX_S = 1795980000.25


@pytest.mark.parametrize(
    ("heading", "stamps", "seconds"),
    [
        ("time", ("0.5", "2"), (0.5, 2.0)),
        ("time_ms", ("500", "2000"), (0.5, 2.0)),
        ("Timestamp(us)", ("500000", "2000000"), (0.5, 2.0)),
        ("time", ("1795980000.25", "1795980001.25"), (UNIX_S, UNIX_S + 1)),
        ("time", ("1795980000250", "1795980001250"), (UNIX_S, UNIX_S + 1)),
        ("time", ("1795980000250000", "1795980001250000"), (UNIX_S, UNIX_S + 1)),
        ("time", ("1795980000250000000", "1795980001250000000"), (UNIX_S, UNIX_S + 1)),
        ("time (ms)", ("1795980000250", "1795980001250"), (UNIX_S, UNIX_S + 1)),
        ("time", ("2026-11-29T19:20:00.25Z", "2026-11-29T19:20:01.25Z"), (UNIX_S, UNIX_S + 1)),
        (
            "time",
            ("2026-11-29 21:20:00.250+02:00", "2026-11-29 21:20:01.2500000+0200"),
            (UNIX_S, UNIX_S + 1),
        ),
        (
            "time",
            ("2026-11-29T13:50:00.25-0530", "2026-11-29T19:20:01.25 UTC"),
            (UNIX_S, UNIX_S + 1),
        ),
        ("Time (UTC)", ("2026-11-29 19:20:00.25", "2026-11-29 19:20:01.25"), (UNIX_S, UNIX_S + 1)),
        # Without a zone it is this machine's.
        (
            "time",
            tuple(datetime.fromtimestamp(UNIX_S + i).isoformat(" ") for i in (0, 1)),
            (UNIX_S, UNIX_S + 1),
        ),
    ],
)  # fmt: skip
def test_times_are_told_by_heading_or_size(
    tmp_path: Path, heading: str, stamps: tuple[str, str], seconds: tuple[float, float]
) -> None:
    text = f"{heading},W\n{stamps[0]},5\n{stamps[1]},5\n"
    assert pytest.approx(seconds, abs=1e-3) == tuple(read(tmp_path, text)[:2])


@given(
    watts=st.lists(st.floats(0, 1e4), min_size=2, max_size=5),
    unit=st.sampled_from([("W", 1.0), ("mW", 1e3), ("\u00b5W", 1e6)]),
    form=st.sampled_from([(",", "."), (";", "."), (";", ","), ("\t", ",")]),
)
def test_every_form_says_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    watts: list[float],
    unit: tuple[str, float],
    form: tuple[str, str],
) -> None:
    between, sign = form
    rows = [f"{i}{between}{w * unit[1]:.12e}".replace(".", sign) for i, w in enumerate(watts)]
    text = "\n".join([f"time (s){between}power ({unit[0]})", *rows]) + "\n"

    found = read(tmp_path_factory.mktemp("log"), text)

    assert pytest.approx([*map(float, range(len(watts))), *watts]) == found


@pytest.mark.parametrize(
    ("text", "volts", "problem"),
    [
        ("time,power\n1,5\n2,5\n", None, "the heading 'power', which names no unit"),
        ("time,Power (VA)\n1,5\n2,5\n", None, r"the heading 'Power \(VA\)', which names no unit"),
        ("time,Power (A)\n1,5\n2,5\n", None, r"the heading 'Power \(A\)', which names current and"),
        ("time,mA\n1,5\n2,5\n", None, r"the heading 'mA', a current, and no voltage \(if the"),
        ("time,mA,voltage\n1,5,5\n2,5,5\n", None, "the heading 'voltage', which names no unit"),
        ("time,W\n1,5\n2,5\n", 5.0, "the heading 'W', and volts besides"),
        ("time,cpu_W,gpu_W\n1,5,5\n2,5,5\n", None, "several columns of power: 'cpu_W', 'gpu_W'"),
        ("Date,Time,W\n1,2,5\n2,3,5\n", None, "several columns of time: 'Date', 'Time'"),
        ("sample,W\n1,5\n2,5\n", None, "no time among the headings 'sample', 'W'"),
        ("time,Energy (Wh)\n1,5\n2,5\n", None, r"neither power nor current .*'Energy \(Wh\)'"),
        ("time,W\n1,4,9\n2,4,8\n", None, r"row 2 with 3 cells under 2 headings \(a decimal"),
        ("1,4,9\n2,4,8\n", None, "3 columns without a heading"),
        ("time;W\n1;1.234,5\n2;5\n", None, "numbers with a point and with a comma: 1.234,5"),
        ("time;W\n1;1,234\n2;0.5\n", None, "numbers with a point and with a comma: 0.5"),
        ("time,W\n12345678901,5\n12345678902,5\n", None, "12345678901 under the heading 'time'"),
        ("time (s),W\n1795980000250,5\n1795980001250,5\n", None, r".* under the heading 'time \(s"),
        ("time,W\n10:00:00,5\n10:00:01,5\n", None, "the time '10:00:00' under"),
        ("time,W\n2026-11-29T10:00:00Z,5\n7,5\n", None, "the time '7' under 'time'"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_refused_with_the_heading(
    tmp_path: Path, text: str, volts: float | None, problem: str
) -> None:
    with pytest.raises(InputError, match=f"m.csv cannot be used as a meter's log: got ({problem})"):
        read(tmp_path, text, volts)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("time,watts\n1,2\n", "1 readings, or times that do not rise"),
        ("1,5\n1,5\n2,5\n", "3 readings, or times that do not rise"),
        ("1,5\n2,nan\n3,5\n", "3 readings, or times that do not rise"),
        ("1,5\n2,5\nthree,5\n", "the time 'three' under 'time'"),
        ("1,5\n2\n", "row 2: 2"),
    ],
)
def test_a_log_that_cannot_be_used_is_named(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(InputError, match=f"m.csv cannot be used as a meter's log: got {problem}"):
        read(tmp_path, text)


def test_remarks_preambles_and_a_byte_order_mark_are_no_readings(tmp_path: Path) -> None:
    text = "\ufeffSome meter, firmware 2\nrange;5 A\ntime,watts\n# remark\n\n1,5\n2,6.5\n"

    assert [1.0, 2.0, 5.0, 6.5] == read(tmp_path, text)


def test_a_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    assert [1.0, 2.0, 5.0, 6.5] == read(tmp_path, "time,W\n1,5\n2,6.5\n3,1")
