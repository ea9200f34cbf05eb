"""The whole measurement of a real bundle: what the report's tables promise."""

from __future__ import annotations

import dataclasses
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calexnet import manifest
from calexnet.bench.measuring import timing
from calexnet.bench.measuring.energy.windows import EnergyPlan
from calexnet.bench.measuring.measure import measure
from calexnet.bench.measuring.plan import BenchPlan
from calexnet.bench.measuring.schedule import LEAST_BLOCKS
from calexnet.bench.model import statistics
from calexnet.bench.model.settings import flips
from calexnet.bench.report.document import Report
from calexnet.bench.report.interval import Interval
from calexnet.bench.words.notes import notes
from calexnet.bench.words.verdict import headline
from calexnet.bundle import open_bundle
from calexnet.calibration import CutNetwork
from calexnet.certify import Counts
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide, recorded_test_part
from calexnet.devices.base import Device, DeviceRecord, DeviceState, Probe
from calexnet.devices.cpu import CpuDevice
from calexnet.devices.energy import SourceRecord
from calexnet.devices.pacing import RealTime
from calexnet.devices.sampling import Sensor
from calexnet.errors import BundleError, InputError, RuntimeUnavailableError
from calexnet.export import export_bundle, export_if
from calexnet.files import schema
from calexnet.manifest import MANIFEST
from calexnet.runtimes import load
from calexnet.runtimes.lanes import host
from tests.bench.conftest import PLAN
from tests.support.onnx_bundle import (
    LOOSE,
    POINTS,
    STRICT,
    USUAL,
    WIDE,
    sample_data,
    write_bundle,
    write_cut_bundle,
)

DATA = sample_data(WIDE)
TEST = divide(DATA, seed=0).indices["test"]
QUICK = dataclasses.replace(
    PLAN, batches=(1,), threads=(1,), blocks=2, seconds=0.01, energy=EnergyPlan(0)
)
EXITS = 3


class Battery(Sensor):
    """Ten watts, whatever happens."""

    record = SourceRecord("battery", "power", 0.01, 0.01, "the battery")

    def read(self) -> float:
        return 10.0


class Board(CpuDevice):
    """A processor with a power meter; how it is can be said."""

    def __init__(self, load: float = 0.0, **after: Any) -> None:
        super().__init__()
        self.load, self.after = load, after

    def describe(self) -> DeviceRecord:
        state = DeviceState(self.load, throttle_events={"heat": 1})
        return dataclasses.replace(super().describe(), cores=2, state=state)

    def state(self) -> DeviceState:
        return DeviceState(self.load, **self.after)

    def probes(self) -> tuple[Probe, ...]:
        return (Probe("rapl", None, "not here"), Probe("battery", Battery()))


def quick(
    bundle: Path, data: Dataset = DATA, device: Device | None = None, plan: BenchPlan = QUICK
) -> Report:
    return measure(bundle, data, device or CpuDevice(), plan)


def answers(report: Report) -> tuple[object, ...]:
    """Return all of a report that does not depend on time."""
    exits = [(row.exit, row.rate, row.accuracy, row.forced) for row in report.exits]
    points = [(p.name, p.accuracy, p.change, p.exit_rates, p.macs) for p in report.operating_points]
    return report.accuracy, report.data, exits, points


def test_every_row_names_target_and_precision(report: Report) -> None:
    rows: list[Any] = [
        report.accuracy,
        *report.amortisation,
        *report.crossover,
        *report.operating_points,
        *report.exits,
        *report.segments,
        *report.energy,
    ]

    assert {("onnxruntime", "fp32")} == {(row.target, row.precision) for row in rows}


def test_amortisation_has_a_row_for_every_setting_with_its_ratio(report: Report) -> None:
    rows = report.amortisation

    assert [*product((1, 2), (1, 3))] == [(row.threads, row.batch) for row in rows]
    for row in rows:
        assert pytest.approx(row.cascade_ms / row.plain_ms) == row.ratio
        assert row.cascade_low is not None
        assert row.cascade_high is not None
        assert row.cascade_low <= row.cascade_ms <= row.cascade_high
        assert 0 < row.ratio_low <= row.ratio <= row.ratio_high
        assert 0 < row.predicted_cascade_ms


def test_crossover_follows_from_amortisation_and_the_exit_rates(report: Report) -> None:
    observed = sum(row.rate for row in report.exits[:-1])
    for cost, row in zip(report.amortisation, report.crossover, strict=True):
        assert (cost.threads, cost.batch) == (row.threads, row.batch)
        interval = Interval(cost.ratio, cost.ratio_low, cost.ratio_high)
        assert statistics.Comparison(1.0, 1.0, interval).verdict == row.verdict
        assert pytest.approx(observed) == row.observed_exit_rate
        rate = row.break_even_exit_rate
        assert row.reason is None
        if cost.ratio < 1:
            assert rate is not None
            assert 0 <= rate <= row.observed_exit_rate
        elif rate is not None:
            assert row.observed_exit_rate <= rate <= 1


def test_a_cascade_that_leaves_before_a_costly_tail_is_found_faster(report: Report) -> None:
    *_, loose = report.operating_points
    strict = report.operating_points[0]

    assert (LOOSE, (1.0, 0.0, 0.0)) == (loose.name, loose.exit_rates)
    assert loose.ratio < 1
    assert loose.ratio < strict.ratio


def test_exits_are_one_a_branch_and_the_backbones_own(report: Report) -> None:
    rows = report.exits

    assert [1, 2, 3] == [row.exit for row in rows]
    assert pytest.approx(1.0) == sum(row.rate for row in rows)
    for row in rows:
        assert (row.rate == 0) == row.forced == (row.accuracy is None)
        assert 0 < row.latency_low <= row.latency_ms <= row.latency_high
    assert rows[0].latency_ms < rows[-1].latency_ms


def test_an_exit_that_nobody_takes_is_timed_by_force(bench_bundle: Path) -> None:
    plan = dataclasses.replace(QUICK, operating_point=LOOSE)

    found = quick(bench_bundle, plan=plan)

    assert [(1.0, False), (0.0, True), (0.0, True)] == [(e.rate, e.forced) for e in found.exits]
    assert [True, False, False] == [e.accuracy is not None for e in found.exits]
    assert all(row.latency_ms > 0 for row in found.exits)


def test_accuracy_is_what_counting_by_hand_gives(report: Report, bench_bundle: Path) -> None:
    cascade = load(bench_bundle, threads=1)
    images, truth = DATA.images[TEST], DATA.labels[TEST]
    ours, plain = cascade(images).labels == truth, cascade.plain(images).labels == truth
    found = report.accuracy

    assert (len(TEST), plain.mean(), ours.mean()) == (found.samples, found.plain, found.cascade)
    assert (plain & ~ours).sum() == found.plain_right_only
    assert (~plain & ours).sum() == found.cascade_right_only
    assert pytest.approx(ours.mean() - plain.mean()) == found.change
    assert found.change_low <= found.change <= found.change_high
    assert 0.5 < found.plain < 1, "every fourth label of the data is wrong"
    exits = cascade(images).exits
    assert [(exits == k).mean() for k in (1, 2, 3)] == [row.rate for row in report.exits]
    assert [ours[exits == k].mean() for k in (1, 2, 3)] == [row.accuracy for row in report.exits]


def test_operating_points_are_the_bundles_with_their_work(report: Report) -> None:
    rows = report.operating_points
    by_default = rows[1]

    assert [(p.name, p.setting, p.name == USUAL) for p in POINTS] == [
        (row.name, row.setting, row.default) for row in rows
    ]
    assert report.accuracy.cascade == by_default.accuracy
    assert report.accuracy.change == by_default.change
    assert [row.rate for row in report.exits] == list(by_default.exit_rates)
    for row in rows:
        assert pytest.approx(1.0) == sum(row.exit_rates)
        assert row.accuracy_low <= row.accuracy <= row.accuracy_high
        assert pytest.approx(row.ms / row.plain_ms) == row.ratio
        # 1728 + 256 to exit 1; 864 + 96 more to exit 2; 704 more to the end.
        to_exit = np.cumsum([1728 + 256, 864 + 96, 704])
        assert pytest.approx(np.dot(to_exit, row.exit_rates)) == row.macs
        assert pytest.approx(row.macs / (1728 + 864 + 704)) == row.macs_ratio
    flops = report.flops
    assert (2 * 3296, 2 * by_default.macs) == (flops.plain, flops.cascade)
    assert pytest.approx(1 - by_default.macs_ratio) == flops.saved
    assert 1 - by_default.ratio == flops.time_saved


def test_another_operating_point_is_what_all_tables_are_about(bench_bundle: Path) -> None:
    found = quick(bench_bundle, plan=dataclasses.replace(QUICK, operating_point=STRICT))

    assert STRICT == found.bundle.operating_point
    assert [STRICT] == [row.name for row in found.operating_points if row.default]
    assert [0.0, 0.0, 1.0] == [row.rate for row in found.exits]
    assert (0.0, 0, 0) == (
        found.accuracy.change,
        found.accuracy.plain_right_only,
        found.accuracy.cascade_right_only,
    )
    assert 0.0 == found.crossover[0].observed_exit_rate


@pytest.mark.slow
def test_where_nobody_leaves_no_break_even_is_invented(bench_bundle: Path) -> None:
    """Of two branches that nobody leaves by, no mix was seen that more exits could keep."""
    plan = dataclasses.replace(QUICK, operating_point=STRICT, energy=EnergyPlan(2, 0.01, 0.01))

    found = quick(bench_bundle, device=Board(), plan=plan)

    rows: list[Any] = [*found.crossover, *found.energy_crossover]
    for row in rows:
        ends = (row.break_even_exit_rate, row.break_even_low, row.break_even_high)
        assert ((None,) * 3, "nobody leaves") == (ends, row.reason)
    assert 2 == len(rows)
    assert [0.0] == [row.early for row in found.foretold]


def test_segments_stand_for_every_batch_that_survivors_may_form(report: Report) -> None:
    """Powers of two below the largest batch too, plain as segment 0."""
    found = [(row.threads, row.batch, row.segment) for row in report.segments]

    assert [*product((1, 2), (1, 2, 3), range(EXITS + 1))] == found
    for start in range(0, len(found), EXITS + 1):
        plain, *own = (row.ms for row in report.segments[start : start + EXITS + 1])
        assert plain > 0
        # A difference of two paths may be under 0 by noise; the path to an exit is not.
        assert (np.cumsum(own) > 0).all()


def test_the_report_says_what_was_measured_and_how(report: Report, bench_bundle: Path) -> None:
    bundle, record = open_bundle(bench_bundle), divide(DATA, seed=0).record

    assert (str(bench_bundle), bundle.sha256, "by-hand", ("layer1", "layer2"), "linear") == (
        report.bundle.path,
        report.bundle.sha256,
        report.bundle.backbone,
        report.bundle.attach,
        report.bundle.head,
    )
    assert ("squares", "test", len(TEST), record.parts["test"].sha256) == (
        report.data.source,
        report.data.part,
        report.data.samples,
        report.data.sha256,
    )
    made = report.provenance
    assert ("calexnet-bench x", PLAN.blocks, PLAN.seed) == (made.command, made.blocks, made.seed)
    assert {"calexnet", "numpy", "onnxruntime"} == set(made.versions)
    assert made.seconds > 0
    assert flips(report.crossover) == report.flips
    assert f"{len(TEST)} images" in " ".join(headline(report))
    assert 1 == sum(sentence.startswith("Plain at int8") for sentence in headline(report))


def test_every_kind_of_figure_that_provenance_speaks_of_is_in_the_report(report: Report) -> None:
    document = schema.encode(report)
    for place in set(report.provenance.kinds) - {"everything else"}:
        table, _, column = place.partition(".")
        assert not column or column in document[table][0]
        assert document[table]


def test_only_the_recorded_test_part_is_read(report: Report, bench_bundle: Path) -> None:
    others = np.setdiff1d(np.arange(len(DATA)), TEST)
    images, labels = DATA.images.copy(), DATA.labels.copy()
    images[others], labels[others] = 0, (labels[others] + 1) % 4

    found = quick(bench_bundle, dataclasses.replace(DATA, images=images, labels=labels))

    assert answers(report) == answers(found)


def test_the_order_of_the_data_set_changes_no_answer(report: Report, bench_bundle: Path) -> None:
    order = np.random.default_rng(0).permutation(len(DATA))
    keys = tuple(DATA.keys[i] for i in order)
    turned = dataclasses.replace(
        DATA, images=DATA.images[order], labels=DATA.labels[order], keys=keys
    )

    assert answers(report) == answers(quick(bench_bundle, turned))


def test_another_data_set_is_refused(bench_bundle: Path) -> None:
    labels = DATA.labels.copy()
    labels[TEST[0]] = (labels[TEST[0]] + 1) % 4

    message = r"^squares is not the data set .*: got a test part of \d+ images .*--all-samples if"
    with pytest.raises(InputError, match=message):
        quick(bench_bundle, dataclasses.replace(DATA, labels=labels))


def test_all_samples_may_be_vouched_for_and_the_report_says_so(bench_bundle: Path) -> None:
    other = dataclasses.replace(
        DATA, name="fresh", images=DATA.images[:20], labels=DATA.labels[:20], keys=DATA.keys[50:70]
    )

    found = quick(bench_bundle, other, plan=dataclasses.replace(QUICK, all_samples=True))

    assert ("fresh", "all", 20, None, None, None) == dataclasses.astuple(found.data)
    assert 20 == found.accuracy.samples
    assert "Measured on all samples given, not on the recorded test part." in notes(found)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"images": np.zeros((120, 4, 4, 3), np.uint8)},
            r"^the images of squares do not fit this cascade: got \(4, 4, 3\); "
            r"expected \(8, 8, 3\), height x width x channels$",
        ),
        (
            {"classes": ("a", "b", "c", "d", "e", "f")},
            r"^the classes of squares are not this cascade's: got a, b, c, d, e, \.\.\. \(6\); "
            "expected ant, bee, cat, dog$",
        ),
    ],
)
def test_data_that_do_not_fit_are_refused(
    bench_bundle: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        quick(bench_bundle, dataclasses.replace(DATA, **changes))


def test_a_bundle_of_normalised_images_is_measured_on_the_same_images(tmp_path: Path) -> None:
    reports = []
    for form in ("uint8", "float"):
        write_bundle(tmp_path / form, input=form)
        reports.append(quick(tmp_path / form, sample_data()))

    assert answers(reports[0]) == answers(reports[1])


def test_energy_is_none_with_the_reason_without_a_sensor(bench_bundle: Path) -> None:
    board = Board()
    board.probes = lambda: (Probe("rapl", None, "not here"),)  # type: ignore[method-assign]

    report = quick(bench_bundle, device=board, plan=dataclasses.replace(QUICK, energy=EnergyPlan()))

    for cost, row in zip(report.amortisation, report.energy, strict=True):
        assert (cost.batch, cost.threads) == (row.batch, row.threads)
        assert (None, None, None) == (row.gross, row.net, row.message)
        assert row.plain_cpu_s >= 0
        assert row.cascade_cpu_s >= 0
    assert [(1, None), (2, None), (3, None)] == [(e.exit, e.gross) for e in report.exit_energy]
    assert report.energy_method is not None
    assert report.energy_method.source is None
    assert {"rapl": "not here"} == report.energy_method.refused


@pytest.mark.slow
def test_energy_is_the_sensors_power_over_the_time_of_an_image(bench_bundle: Path) -> None:
    """Ten watts all the time: joules are times, and above idle there is nothing."""
    plan = dataclasses.replace(QUICK, energy=EnergyPlan(2, 0.1, 0.01), cpu_tdp_w=20.0)

    report = quick(bench_bundle, device=Board(), plan=plan)

    (row,) = report.energy
    assert row.message is None
    assert row.gross is not None
    assert row.net is not None
    for cost in (row.gross.plain, row.gross.cascade):
        assert 1e-7 < cost.joules / 10.0 < 0.1, "seconds an image"
    for cost in (row.net.plain, row.net.cascade):
        assert pytest.approx(0.0, abs=1e-9) == cost.joules
    (cost_row,) = report.amortisation
    watts = row.gross.cascade.joules / (cost_row.cascade_ms / 1e3)
    for foretold in report.foretold:
        assert pytest.approx(watts * foretold.ms / 1e3) == foretold.joules
    assert row.plain_estimated_j is not None
    assert [e.rate for e in report.exits] == [e.rate for e in report.exit_energy]
    assert all(e.gross is not None for e in report.exit_energy)
    (crossing,) = report.energy_crossover
    assert report.crossover[0].observed_exit_rate == crossing.observed_exit_rate
    method = report.energy_method
    assert method is not None
    assert method.source is not None
    assert ("battery", {"rapl": "not here"}, 2, 10.0) == (
        method.source.name,
        method.refused,
        method.windows,
        method.idle_before_w,
    )
    assert method.probe is not None
    assert {
        "energy_crossover.break_even_exit_rate": "predicted",
        "energy.plain_estimated_j": "estimated",
    }.items() <= report.provenance.kinds.items()
    test_every_kind_of_figure_that_provenance_speaks_of_is_in_the_report(report)
    assert any(sentence.startswith("Energy with 1 thread: ") for sentence in headline(report))


@pytest.mark.parametrize("warm", [True, False])
def test_nothing_is_bound_for_the_first_time_while_it_is_timed(
    bench_bundle: Path, monkeypatch: pytest.MonkeyPatch, warm: bool
) -> None:
    """Segments meet up to 8 survivors, straight and gathered: all of it before the first block."""
    bound: list[bool] = []
    timed = [False]
    bind, run_block = host.HostLane._bind, timing._block

    def noted(lane: host.HostLane, *where: Any) -> Any:
        bound.append(timed[0])
        return bind(lane, *where)

    def block(*what: Any) -> Any:
        timed[0] = True
        try:
            return run_block(*what)
        finally:
            timed[0] = False

    monkeypatch.setattr(host.HostLane, "_bind", noted)
    monkeypatch.setattr(timing, "_block", block)
    if not warm:  # to see that there would be some
        monkeypatch.setattr(timing.Work, "new_shapes", lambda work, calls: ())
    plan = dataclasses.replace(QUICK, batches=(1, 5, 8), blocks=20, all_samples=True)

    quick(bench_bundle, plan=plan)

    assert len(bound) > 10
    assert warm != any(bound)


def test_a_run_is_gone_on_with_only_on_the_very_same_images(
    bench_bundle: Path, tmp_path: Path
) -> None:
    images = DATA.images.copy()
    images[TEST[0]] ^= 1
    others = dataclasses.replace(DATA, images=images)

    def resumed(data: Dataset) -> bool:
        found = measure(bench_bundle, data, CpuDevice(), QUICK, journal=tmp_path / "journal")
        return found.provenance.resumed > 0

    assert [False, True, False] == [resumed(data) for data in (DATA, DATA, others)]


class Rushing(RealTime):
    """A clock on which a minute passes at every look."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def now(self) -> float:
        self.looks += 1
        return 60.0 * self.looks


def test_a_run_that_is_late_ends_with_the_fewest_blocks_that_intervals_need(
    bench_bundle: Path,
) -> None:
    plan = dataclasses.replace(QUICK, blocks=14, settle_s=600.0)

    found = measure(bench_bundle, DATA, CpuDevice(), plan, time=Rushing())

    assert LEAST_BLOCKS == found.provenance.blocks == len(found.samples[0].ms)
    assert (5, 5) == found.decision.blocks
    assert found.settled is not None
    assert 60.0 < found.settled.seconds
    assert quick(bench_bundle, plan=dataclasses.replace(plan, settle_s=0.0)).settled is None


@pytest.mark.slow
def test_how_long_it_takes_is_said_before_anything_is_timed(
    bench_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = dataclasses.replace(QUICK, energy=EnergyPlan(2, 0.01, 0.01), memory=False)

    quick(bench_bundle, device=Board(), plan=plan)

    shown = capsys.readouterr().err
    said = next(line for line in shown.splitlines() if line.startswith("calexnet-bench: This "))
    assert "in all: loading and answering, done" in said
    assert "timing 2 blocks" in said
    assert ", energy " in said
    assert "memory" not in said
    assert shown.index(said) < shown.index("1 thread, ")


def test_a_thread_setting_that_decides_is_judged_though_nobody_asked_for_it(
    bench_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict rests on one thread; its blocks must hold what the rules ask for."""
    monkeypatch.setattr("calexnet.bench.model.validity.DRIFT_LIMIT", -1.0)
    found = quick(bench_bundle, plan=dataclasses.replace(QUICK, threads=(2,))).validity

    assert {"1", "2"} == found.drift.keys() == found.effective_blocks.keys() == found.swing.keys()
    assert [1, 2] == [breach.threads for breach in found.breaches if breach.rule == "drift"]


def test_a_device_that_was_slowed_down_or_shared_voids_its_times(bench_bundle: Path) -> None:
    calm = quick(bench_bundle, device=Board(throttle_events={"heat": 1}))
    board = Board(throttled=("power limit",), throttle_events={"heat": 2}, foreign=("process 7",))

    report = quick(bench_bundle, device=board)

    def found(one: Report) -> list[tuple[str, str]]:
        rules = ("throttling", "foreign process")
        return [(b.rule, b.what) for b in one.validity.breaches if b.rule in rules]

    assert [] == found(calm)
    assert [
        ("throttling", "power limit"),
        ("throttling", "heat"),
        ("foreign process", "process 7"),
    ] == found(report)
    assert not report.validity.stands("time")
    assert board.state() == report.device_after


def test_the_recorded_test_part_is_the_splits(bench_bundle: Path) -> None:
    record = open_bundle(bench_bundle).manifest.split

    assert np.array_equal(TEST, recorded_test_part(DATA, record))
    assert 0 < len(TEST) < len(DATA)


@pytest.fixture(scope="module")
def both(bench_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """A bundle for two targets, and the report on it."""
    folder = tmp_path_factory.mktemp("both") / "bundle"
    export_bundle(bench_bundle, folder, target="tflite")
    return folder, quick(folder)


@pytest.mark.slow
def test_the_cascade_as_one_file_is_timed_beside(bench_bundle: Path, tmp_path: Path) -> None:
    export_if(bench_bundle, tmp_path / "both")

    found = quick(tmp_path / "both")

    assert ["plain", "cascade", "one file"] == [row.network for row in found.latency]
    assert [None, 1, 2, 3] == [row.exit for row in found.layouts]
    assert all(
        row.ratio == pytest.approx(row.one_file_ms / row.segments_ms) for row in found.layouts
    )
    assert {"one file exit1", "one file exit3"} <= {row.network for row in found.samples}
    assert any("one file" in words and "the last exit" in words for words in headline(found))
    (one_file,) = (row for row in found.alternatives if row.name.endswith("one file"))
    (default,) = (row for row in found.alternatives if row.name.endswith(f" at {USUAL}"))
    assert (default.accuracy, default.operating_point) == (one_file.accuracy, USUAL)
    assert one_file.ms > 0
    assert {("onnxruntime", "fp32")} == {(r.target, r.precision) for r in found.amortisation}


SUBJECTS = [("onnxruntime", "fp32"), ("tflite", "fp32")]


def test_every_target_of_a_bundle_is_measured(both: tuple[Path, Report]) -> None:
    _, found = both
    for rows in (
        found.amortisation,
        found.crossover,
        found.operating_points,
        found.exits,
        found.segments,
        found.energy,
        found.alternatives,
    ):
        of_each = [[r for r in rows if (r.target, r.precision) == s] for s in SUBJECTS]
        assert len(rows) == sum(map(len, of_each))
        assert len(of_each[0]) == len(of_each[1]) > 0
    assert SUBJECTS[0] == (found.accuracy.target, found.accuracy.precision)
    versions = found.provenance.versions
    assert {"calexnet", "numpy", "onnxruntime", "ai-edge-litert"} == set(versions)


def test_targets_that_compute_alike_leave_alike(both: tuple[Path, Report]) -> None:
    _, found = both
    rates = [[r.rate for r in found.exits if r.target == target] for target, _ in SUBJECTS]
    accuracies = [row.accuracy for row in found.alternatives]
    half = len(accuracies) // 2

    assert rates[0] == rates[1]
    assert accuracies[:half] == accuracies[half:]


def test_alternatives_are_held_against_the_fastest_plain(both: tuple[Path, Report]) -> None:
    _, found = both
    rows = found.alternatives
    fastest = min((row for row in rows if row.kind == "plain"), key=lambda row: row.ms)

    kinds = ["plain", *["cascade"] * len(POINTS), "cut network", "cut network"]
    assert kinds * 2 == [row.kind for row in rows]
    assert len(rows) == len({row.name for row in rows})
    assert pytest.approx((1.0, 1.0, 1.0)) == dataclasses.astuple(fastest.ratio)
    for row in rows:
        assert row.ratio.low <= row.ratio.value <= row.ratio.high
        assert row.accuracy.low <= row.accuracy.value <= row.accuracy.high
        assert pytest.approx(rows[0].accuracy.value - row.accuracy.value) == row.drop.value
        assert row.drop.low <= row.drop.value <= row.drop.high
    assert (0.0, 0.0, 0.0) == dataclasses.astuple(rows[0].drop)
    assert found.decision.name in {row.name for row in rows}


def test_the_network_cut_after_each_stage_is_a_contender(report: Report, tmp_path: Path) -> None:
    cuts = [row for row in report.alternatives if row.kind == "cut network"]
    names = [f"the network cut after {layer} on onnxruntime fp32" for layer in ("layer1", "layer2")]
    write_bundle(tmp_path / "bundle", width=WIDE)
    answers = load(tmp_path / "bundle").ask_every_exit(DATA.images[TEST]).labels

    assert [(1, names[0]), (2, names[1])] == [(row.cut, row.name) for row in cuts]
    for row, labels in zip(cuts, answers, strict=False):
        assert (labels == DATA.labels[TEST]).mean() == pytest.approx(row.accuracy.value)
        # Everybody leaves there, so the long tail is never run.
        assert row.ms < report.alternatives[0].ms
    assert {"cut1", "cut2"} <= {row.network for row in report.samples if row.threads == 1}


def test_a_bundle_without_branches_is_no_cascade_to_measure(tmp_path: Path) -> None:
    write_cut_bundle(tmp_path / "cut")

    with pytest.raises(InputError, match=r"holds no cascade .* got the network cut after layer2"):
        quick(tmp_path / "cut")


def test_cut_networks_are_tested_in_the_bundles_own_chain(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    content = write_bundle(folder, width=WIDE)
    # By these the first cut is the surest of all.
    known = tuple(CutNetwork(0.9, Counts(500, harmed, 10)) for harmed in (0, 300))
    (folder / MANIFEST).write_bytes(manifest.dump(dataclasses.replace(content, cuts=known)))

    networks = quick(folder).alternatives
    found = {row.cut: row.certificate for row in networks if row.cut and row.certificate}

    assert [one.counts for one in known] == [found[k].calibration for k in (1, 2)]
    assert found[1].rank == 1
    assert found[1].standing in ("passed", "failed")


@pytest.mark.parametrize(("options", "expected"), [({"target": "tflite"}, SUBJECTS[1:])])
def test_a_target_may_be_chosen(
    both: tuple[Path, Report], options: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    found = quick(both[0], plan=dataclasses.replace(QUICK, **options))

    assert expected == [(row.target, row.precision) for row in found.amortisation]


def test_a_chosen_provider_stands_in_every_row(bench_bundle: Path) -> None:
    plan = dataclasses.replace(QUICK, target="onnxruntime", provider="cpu")
    found = quick(bench_bundle, plan=plan)

    timed = (found.amortisation, found.exits, found.latency, found.segments, found.alternatives)
    assert {"onnxruntime (cpu)"} == {row.target for rows in timed for row in rows}
    assert {"onnxruntime fp32": "cpu"} == found.provenance.providers


def test_a_target_that_cannot_run_here_is_left_out_and_said(
    both: tuple[Path, Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    found = quick(both[0])

    assert [SUBJECTS[1]] == [(row.target, row.precision) for row in found.amortisation]
    (one,) = found.left_out
    assert SUBJECTS[0] == (one.target, one.precision)
    assert one.message.startswith("ONNX Runtime cannot be used here")
    assert f"onnxruntime fp32 was not measured: {one.message}" in notes(found)


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({"target": "onnxruntime"}, RuntimeUnavailableError, "^ONNX Runtime cannot be used here"),
        ({"target": "toaster"}, InputError, "^unknown target: got 'toaster'"),
        ({"target": "tflite", "precision": "int4"}, BundleError, "holds no tflite int4"),
        ({"precision": "int4"}, InputError, "holds nothing at precision 'int4'"),
    ],
)
def test_what_cannot_be_measured_at_all_is_told(
    both: tuple[Path, Report],
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    kind: type[Exception],
    message: str,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)

    with pytest.raises(kind, match=message):
        quick(both[0], plan=dataclasses.replace(QUICK, **options))
