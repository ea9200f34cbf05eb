"""Comparing two runs: verdicts whose truth is known, and reports that must not be compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.bench.gates.change import METRICS
from calexnet.bench.gates.grammar import check, parse
from calexnet.bench.model.comparable import ACROSS, KINDS, differences
from calexnet.bench.model.compare import Compared, compare, judge, quotient
from calexnet.bench.report.document import Report
from calexnet.bench.report.energy import EnergyComparison, EnergyCost, EnergyMethod
from calexnet.bench.report.interval import Interval
from calexnet.bench.report.times import SampleRow
from calexnet.bench.report.validity import Span
from calexnet.devices.base import Clock
from calexnet.devices.energy import SourceRecord
from calexnet.errors import InputError, MeasurementError
from calexnet.files import schema
from tests.bench import noise
from tests.support.sample_report import RIVALS, SUBJECT, UNSETTLED, VALIDITY, sample_report

USUAL_MS = {"plain": 4.0, "cascade": 2.5, "exit1": 1.5, "point margin-0": 3.5}
OPPOSITE = {"FASTER": "SLOWER", "SLOWER": "FASTER", "SAME": "SAME", "UNCLEAR": "UNCLEAR"}


def run(seed: int, scale: float = 1.0, memory: float = 0.0, blocks: int = 40) -> Report:
    """Return a valid report whose times are known, of a machine that may swing twofold.

    Args:
        seed: Of the swings and the noise.
        scale: Of all times.
        memory: How many blocks the machine's pace remembers; 0 = it does not swing.
        blocks: Timed.
    """
    rng = np.random.default_rng(seed)
    cells = [(network, batch) for network in USUAL_MS for batch in (1, 8)]
    costs = {f"{network}@{batch}": scale * USUAL_MS[network] / batch for network, batch in cells}
    series = noise.run(costs, blocks, memory, rng)
    samples = tuple(
        SampleRow(*SUBJECT, network, batch, 1, tuple(series[f"{network}@{batch}"].tolist()))
        for network, batch in cells
    )
    report = sample_report(samples=samples, validity=valid())
    ran_by = replace(report.provenance, providers={"onnxruntime fp32": "cpu"})
    return replace(report, provenance=ran_by)


def valid(**changes: Any) -> Any:
    return replace(VALIDITY, breaches=(), **changes)


def changes(a: Report, b: Report, **options: Any) -> set[str]:
    return {row.change for row in compare(a, b, **options).rows}


@pytest.mark.parametrize(
    ("scale", "expected"),
    [(1.0, {"SAME"}), (1.5, {"SLOWER"}), (1 / 1.5, {"FASTER"}), (1.05, {"UNCLEAR"})],
)
def test_a_change_is_found_for_what_it_is(scale: float, expected: set[str]) -> None:
    assert expected == changes(run(1, blocks=200), run(2, scale, blocks=200))


def test_what_is_compared_is_what_could_be_shipped() -> None:
    found = compare(run(1), run(2))
    everything = compare(run(1), run(2), everything=True)

    assert [("plain", 1), ("plain", 8), ("cascade", 1), ("cascade", 8)] == [
        (row.network, row.batch) for row in found.rows
    ]
    assert [*USUAL_MS] == [row.network for row in everything.rows if row.batch == 1]


@pytest.mark.parametrize(
    ("network", "shipped"),
    [
        ("cascade", True),
        ("one file", True),
        ("exit.onnx", True),
        ("exit12", False),
        ("half1", False),
        ("one file exit2", False),
        ("point margin-0", False),
    ],
)
def test_parts_and_variants_of_the_cascade_are_not_shipped(network: str, shipped: bool) -> None:
    def renamed(report: Report) -> Report:
        rows = [replace(r, network=network) if r.network == "exit1" else r for r in report.samples]
        rivals = (replace(RIVALS[0], name="exit.onnx"),)
        return replace(report, samples=tuple(rows), rivals=rivals)

    rows = compare(renamed(run(1)), renamed(run(2))).rows

    assert shipped == (network in {row.network for row in rows if row.a < 2.0})


def test_times_over_plain_do_not_see_the_pace_of_the_machine() -> None:
    """A machine that swings, and is half as fast again in the second run."""
    a, b = run(1, 1.0, 3.0), run(2, 1.5, 3.0)
    slower = tuple(
        replace(row, ms=tuple(1.3 * ms for ms in row.ms)) if row.network == "cascade" else row
        for row in b.samples
    )

    same = compare(a, b, relative=True)
    changed = compare(a, replace(b, samples=slower), relative=True)

    assert [("cascade", 1), ("cascade", 8)] == [(row.network, row.batch) for row in same.rows]
    assert [2.5 / 4.0] * 2 == pytest.approx([row.a for row in same.rows], rel=0.1)
    assert [1.0] * 2 == pytest.approx([row.ratio.value for row in same.rows], rel=0.1)
    assert [1.3] * 2 == pytest.approx([row.ratio.value for row in changed.rows], rel=0.1)
    assert {"SLOWER"} == {row.change for row in changed.rows}
    assert words("ratio>1.1", changed)[0]


def test_a_rival_is_set_beside_the_first_plain() -> None:
    def with_rival(report: Report) -> Report:
        plain = report.samples[0]
        rival = SampleRow("tflite", "", "net.tflite", 1, 1, tuple(2 * ms for ms in plain.ms))
        rivals = (replace(RIVALS[0], name="net.tflite"),)
        return replace(report, samples=(*report.samples, rival), rivals=rivals)

    rows = compare(with_rival(run(1)), with_rival(run(2)), relative=True).rows

    (row,) = (row for row in rows if row.network == "net.tflite")
    assert [2.0, 2.0] == pytest.approx([row.a, row.b])
    assert row.change == "SAME"


@pytest.mark.parametrize("memory", [0.0, 1.0, 2.0])
def test_two_runs_of_the_same_are_rarely_told_apart(memory: float) -> None:
    """Also where the machine swings twofold, for blocks on end."""
    pairs, wrong, holds = 40, 0, 0
    for seed in range(pairs):
        row = compare(run(2 * seed, 1.0, memory), run(2 * seed + 1, 1.0, memory)).rows[0]
        wrong += row.change not in ("SAME", "UNCLEAR")
        holds += row.ratio.low <= 1 <= row.ratio.high

    assert wrong <= pairs // 20
    assert holds >= 0.9 * pairs


@given(st.floats(0.5, 2), st.floats(1, 1.5), st.floats(1, 1.5), st.floats(0.001, 0.5))
def test_a_verdict_turns_round_when_the_reports_change_places(
    value: float, below: float, above: float, within: float
) -> None:
    ratio = Interval(value, value / below, value * above)
    turned = Interval(1 / value, 1 / ratio.high, 1 / ratio.low)

    assert OPPOSITE[judge(ratio, within)] == judge(turned, within)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.96, 1.04, "SAME"),
        (1.01, 1.04, "SAME"),
        (0.90, 0.95, "FASTER"),
        (0.90, 0.97, "UNCLEAR"),
        (1.03, 1.20, "UNCLEAR"),
        (1.06, 1.20, "SLOWER"),
        (0.80, 1.30, "UNCLEAR"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(
    low: float, high: float, expected: str
) -> None:
    assert expected == judge(Interval((low + high) / 2, low, high), 0.05)


def test_a_change_is_sure_among_all_rows_that_are_judged() -> None:
    """2 % of error, and 1.96 of it in the interval: 1.12 is beyond 1.05 alone, not among 100."""
    error = float(np.exp(0.02 * 1.96))
    ratio = Interval(1.12, 1.12 / error, 1.12 * error)

    assert ["SLOWER", "SLOWER", "UNCLEAR"] == [judge(ratio, 0.05, among=n) for n in (1, 10, 100)]
    same = Interval(1.0, 0.97, 1.03)
    assert "SAME" == judge(same, 0.05, among=100)


def test_the_errors_of_two_runs_add_in_quadrature() -> None:
    over = Interval(10.0, 10.0 / np.exp(0.03), 10.0 * np.exp(0.03))
    under = Interval(5.0, 5.0 / np.exp(0.04), 5.0 * np.exp(0.04))

    ratio = quotient(over, under)

    assert (2.0, 2 / np.exp(0.05), 2 * np.exp(0.05)) == pytest.approx(
        (ratio.value, ratio.low, ratio.high)
    )
    lopsided = quotient(Interval(1.0, 1.0, 1.0), Interval(1.0, 0.9, 1.0))
    assert (1.0, 1.0, 1 / 0.9) == pytest.approx((lopsided.value, lopsided.low, lopsided.high))


def test_energy_is_compared_where_both_measured_it() -> None:
    def with_joules(report: Report, joules: float) -> Report:
        cost = EnergyCost(joules, 0.99 * joules, 1.01 * joules)
        nothing = EnergyCost(1e-9, -1e-6, 1e-6)
        gross = EnergyComparison(nothing, cost, None, None, None, "unclear")
        return replace(report, energy=(replace(report.energy[0], gross=gross), report.energy[1]))

    alone = compare(with_joules(run(1), 0.02), run(2))
    assert ("energy of onnxruntime fp32 cascade, batch 1, 1 thread",) == alone.only_a
    assert () == alone.only_b

    compared = compare(with_joules(run(1), 0.02), with_joules(run(2), 0.01))

    (row,) = (row for row in compared.rows if row.quantity == "energy")
    assert ("cascade", 20.0, 10.0, 0.5, "LESS") == pytest.approx(
        (row.network, row.a, row.b, row.ratio.value, row.change)
    )
    assert {"MORE"} == {
        row.change
        for row in compare(with_joules(run(1), 0.01), with_joules(run(2), 0.02)).rows
        if row.quantity == "energy"
    }


def test_a_measured_report_is_as_fast_as_itself(report: Report) -> None:
    for relative in (False, True):
        compared = compare(report, report, across=["invalid"], relative=relative)

        assert compared.rows
        assert {1.0} == {row.ratio.value for row in compared.rows}
        assert {row.change for row in compared.rows} <= {"SAME", "UNCLEAR"}


def test_what_only_one_measured_is_named() -> None:
    a, b = run(1), run(2)
    b = replace(b, samples=tuple(row for row in b.samples if row.batch == 1))

    compared = compare(a, b)

    assert (
        "onnxruntime fp32 plain, batch 8, 1 thread",
        "onnxruntime fp32 cascade, batch 8, 1 thread",
    ) == compared.only_a
    assert () == compared.only_b
    assert 2 == len(compared.rows)


def test_nothing_in_common_is_refused() -> None:
    a, b = run(1), run(2)
    b = replace(b, samples=tuple(replace(row, target="tflite") for row in b.samples[:2]))

    expected = r"^these reports have nothing in common: got onnxruntime fp32 plain, batch 1, 1 thre"
    with pytest.raises(InputError, match=expected):
        compare(a, b)


@pytest.mark.parametrize("within", [0.0, -0.1, float("nan"), float("inf")])
def test_a_change_that_matters_is_over_0(within: float) -> None:
    with pytest.raises(InputError, match=r"^the change that matters cannot be used: got "):
        compare(run(1), run(2), within=within)


def _other_device(report: Report) -> Report:
    return replace(report, device=replace(report.device, model="Another"))


def _other_governor(report: Report) -> Report:
    conditions = replace(report.validity.conditions, governors={"cpu0-3": "performance"})
    return replace(report, validity=replace(report.validity, conditions=conditions))


def _other_limits(report: Report) -> Report:
    state = replace(report.device.state, clocks=(Clock("cpu0-3", 1500.0, 600.0, 1500.0),))
    return replace(report, device=replace(report.device, state=state))


def _other_mode(report: Report) -> Report:
    return replace(report, device=replace(report.device, power_mode="15W"))


def _other_threads(report: Report) -> Report:
    more = tuple(replace(row, threads=2) for row in report.samples)
    return replace(report, samples=(*report.samples, *more))


def _other_images(report: Report) -> Report:
    return replace(report, data=replace(report.data, sha256="ff" * 32))


def _other_load(report: Report) -> Report:
    return replace(report, provenance=replace(report.provenance, load="rate:10"))


def _other_provider(report: Report) -> Report:
    mine = {"onnxruntime fp32": "cuda", "tflite fp32": "cpu"}
    return replace(report, provenance=replace(report.provenance, providers=mine))


def _invalid(report: Report) -> Report:
    return replace(report, validity=replace(VALIDITY, allowed=True))


OTHERWISE: list[tuple[str, Callable[[Report], Report]]] = [
    ("device", _other_device),
    ("clocks", _other_governor),
    ("clocks", _other_limits),
    ("clocks", _other_mode),
    ("threads", _other_threads),
    ("images", _other_images),
    ("load", _other_load),
    ("provider", _other_provider),
    ("invalid", _invalid),
]


def test_times_that_do_not_stand_spoil_no_comparison_of_ratios() -> None:
    """A shared machine voids ms and joules; what is over plain's time is compared as ever."""
    a, b = run(1), _invalid(run(2))

    assert {"SAME"} == changes(a, b, relative=True, within=0.2)
    with pytest.raises(MeasurementError, match=r"got invalid: valid against invalid \(foreign pr"):
        compare(a, b)
    unsettled = replace(b, validity=replace(VALIDITY, breaches=(UNSETTLED,)))
    with pytest.raises(MeasurementError, match=r"got invalid: valid against invalid \(not settled"):
        compare(a, unsettled, relative=True)


@pytest.mark.parametrize(("kind", "change"), OTHERWISE)
def test_what_differs_is_refused_unless_told(kind: str, change: Callable[[Report], Report]) -> None:
    a, b = run(1), change(run(2))
    error = MeasurementError if kind == "invalid" else InputError

    with pytest.raises(error, match=rf"^these reports do not compare: got {kind}: .* against .*"):
        compare(a, b)
    with pytest.raises(error, match=rf" add --across {kind}\.$"):
        compare(b, a)
    others = [other for other in ACROSS if other != kind]
    with pytest.raises(error, match=r"^these reports do not compare"):
        compare(a, b, across=others)
    assert [kind] == [one.kind for one in compare(a, b, across=[kind]).across]


def test_other_rails_are_refused_and_a_missing_sensor_is_not() -> None:
    def measured_by(name: str | None) -> Report:
        source = name and SourceRecord(name, "power", 0.05, 0.01, "the board", ("VDD_IN",))
        method = EnergyMethod(source or None, {} if name else {"rapl": "no sensor"})
        return replace(run(1), energy_method=method)

    with pytest.raises(InputError, match=r"got rails: ina3221, measured of VDD_IN against rapl, "):
        compare(measured_by("ina3221"), measured_by("rapl"))
    assert () == differences(measured_by("ina3221"), measured_by(None))


def test_what_only_one_ran_may_run_by_anything() -> None:
    a = run(1)
    more = {**a.provenance.providers, "tensorrt fp16": "cuda"}

    assert () == differences(a, replace(a, provenance=replace(a.provenance, providers=more)))


def test_what_a_clock_happened_to_be_is_no_difference() -> None:
    a, b = run(1), run(2)
    conditions = replace(b.validity.conditions, clocks_mhz={"cpu0-3": Span(1000.0, 1100.0)})
    b = replace(b, validity=replace(b.validity, conditions=conditions))

    assert () == differences(a, b)


def test_all_that_differs_is_said_at_once() -> None:
    with pytest.raises(InputError) as refusal:
        compare(run(1), _invalid(_other_threads(_other_device(run(2)))))

    assert (
        "these reports do not compare: got device: cpu, ARM Cortex-A76, 4 cores against cpu, "
        "Another, 4 cores; threads: 1 against 1, 2; invalid: valid against invalid (foreign "
        "process, throttling); expected two valid runs that share all of this. Measure both in "
        "the same way, or, if you know what that means, add --across device --across threads "
        "--across invalid."
    ) == str(refusal.value)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError) as refusal:
        compare(run(1), run(2), across=["weather"])

    assert (
        "unknown --across: got 'weather'; expected one of device, clocks, threads, rails, images, "
        "load, provider, invalid"
    ) == str(refusal.value)
    assert (*KINDS, "provider", "invalid") == ACROSS


def words(text: str, compared: Compared) -> tuple[bool, str]:
    (outcome,) = check([parse(text, METRICS)], compared, METRICS)
    return outcome.failed, outcome.words.removeprefix(f"{text}: ")


def test_gates_look_at_what_changed() -> None:
    slower = compare(run(1), run(2, 1.5))
    same = compare(run(1, blocks=200), run(2, blocks=200))

    assert (True, True) == (words("slower>0", slower)[0], words("ratio.low>1.05", slower)[0])
    assert (False, False) == (words("slower>0", same)[0], words("ratio>1.05", same)[0])
    assert words("ratio[network=plain,batch=8]>1.2", slower)[0]
    assert (True, "n/a, no time that both measured for network gone, batch 1, threads 1") == words(
        "ratio[network=gone]>1", slower
    )
    assert words("energy_ratio>1", slower)[1].startswith("n/a, no energy that both measured for ")
    assert ["slower is 4", "faster is 0", "more is 0", "missing is 0"] == [
        words(f"{name}>9", slower)[1] for name in ("slower", "faster", "more", "missing")
    ]
    assert "top1_drop is 0" == words("top1_drop>1", same)[1]


def test_a_comparison_is_json() -> None:
    compared = compare(run(1), _other_device(run(2)), across=["device"])

    assert compared == schema.decode(Compared, schema.encode(compared))
