"""The ratios of ``make bench`` on a small bundle: what is timed is what the line says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import runner as speed_runner
from benchmarks.runner import Bare, Figure
from calexnet.bench.report.interval import Interval
from calexnet.bundle import open_bundle
from calexnet.export import export_bundle, export_if
from calexnet.gating import ExitTable, choose_exits, exit_rates
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner
from tests.support.onnx_bundle import random_images, write_bundle


@pytest.fixture(params=["onnxruntime", "tflite"])
def runner(request: pytest.FixtureRequest, tmp_path: Path) -> Runner:
    write_bundle(tmp_path / "bundle")
    if request.param == "tflite":
        export_bundle(tmp_path / "bundle", target="tflite")
    return load_runner(open_bundle(tmp_path / "bundle"), request.param, threads=1)


@pytest.mark.parametrize("batch", [1, 8, 32])
def test_a_batch_size_gives_three_ratios(runner: Runner, batch: int) -> None:
    bars = {"cascade / sum of its segments": 1.02}

    figures = speed_runner.ratio_figures("small", runner, random_images(32), batch, 3, bars)

    words = (
        "chain, nobody exiting / plain",
        "cascade / sum of its segments",
        "cascade / plain",
    )
    assert [f"small, batch {batch}: {what}" for what in words] == [one.what for one in figures]
    assert [None, 1.02, None] == [figure.bar for figure in figures]
    for figure in figures:
        assert 0 < figure.value.low <= figure.value.value <= figure.value.high


def test_a_replay_runs_each_segment_on_as_many_as_reach_it(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = [random_images(16, seed=seed) for seed in range(2)]
    exits = [runner(batch).exits for batch in batches]
    asked: list[tuple[int, int]] = []
    bare = Bare(runner, batches[0])
    genuine = bare.call

    def call(segment: int, rows: int) -> object:
        asked.append((segment, rows))
        return genuine(segment, rows)

    monkeypatch.setattr(bare, "call", call)
    task = speed_runner._replay(runner, bare, [batches])

    reached = [(k, int((taken > k).sum())) for taken in exits for k in range(3)]
    assert [one for one in reached if one[1] > 0] == asked
    assert 32 == task.images
    for one in task.calls(0):
        one()


def test_a_bare_call_does_the_segments_work(runner: Runner) -> None:
    """On ONNX Runtime its outputs can be seen: they are those of the segment itself."""
    images = random_images(5)
    bare = Bare(runner, images)
    for segment, (_, outputs) in enumerate(runner.trace(images)):
        assert bare.call(segment, 5) is bare.call(segment, 5)
        bare.call(segment, 5)()
        if runner.compiled.target == "onnxruntime":
            for name in ("label", "score"):
                assert np.array_equal(outputs[name], bare._outputs[segment][name][:5])


def test_the_own_cost_is_that_of_a_segment(runner: Runner) -> None:
    figure = speed_runner.own_cost("small", runner, random_images(20), 5, 10.0)

    assert ("small, batch 1: runner's own cost a segment", "us") == (figure.what, figure.unit)
    assert abs(figure.value.value) < 10_000


def test_throughput_stands_beside_what_segments_and_flops_imply(runner: Runner) -> None:
    implied, faster = speed_runner.throughput_figures("small", runner, random_images(64), 3, 0.95)

    exits = runner(random_images(64)).exits
    rates = [float((exits == number).mean()) for number in (1, 2, 3)]
    shares = "/".join(f"{100 * rate:.0f}" for rate in rates)
    macs = runner.bundle.manifest.macs
    assert f"small, batch 32, {shares} %: throughput / what its segments imply" == implied.what
    assert (0.95, True) == (implied.bar, implied.at_least)
    assert f"(FLOPs imply {macs.plain / macs.expected(rates):.2f})" in faster.what
    assert 0 < implied.value.value < 10
    assert 0 < faster.value.value


def test_layouts_are_compared_at_every_exit(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    export_if(tmp_path / "bundle")
    bundle = open_bundle(tmp_path / "bundle")
    parts, whole = (load_runner(bundle, layout=layout, threads=1) for layout in ("segments", "if"))

    figures = speed_runner.layout_figures("small", parts, whole, random_images(1), 3)

    assert [
        f"small, batch 1, leaving at exit {number}: layout if / {under}"
        for number in (1, 2, 3)
        for under in ("segments", "plain")
    ] == [figure.what for figure in figures]


def test_forced_thresholds_give_the_rates_that_are_asked_for() -> None:
    rng, shape = np.random.default_rng(0), (4, 500)
    labels = rng.integers(0, 5, shape).astype(np.int32)
    table = ExitTable(labels, rng.random(shape, dtype=np.float32))

    thresholds = speed_runner.forcing_rates(table, 5, speed_runner.EXIT_RATES)

    exits = choose_exits(table, thresholds)
    found = np.array(exit_rates(exits, 4))
    np.testing.assert_allclose(found, np.array(speed_runner.EXIT_RATES), atol=0.01)


@pytest.mark.parametrize(
    ("low", "high", "at_least", "verdict"),
    [
        (0.9, 0.94, False, "met"),
        (0.9, 0.96, False, "unclear"),
        (0.96, 0.99, False, "missed"),
        (0.9, 0.94, True, "missed"),
        (0.9, 0.96, True, "unclear"),
        (0.96, 0.99, True, "met"),
        (0.95, 0.95, False, "met"),
        (0.95, 0.95, True, "met"),
    ],
)
def test_an_interval_that_holds_its_bar_decides_nothing(
    low: float, high: float, at_least: bool, verdict: str
) -> None:
    figure = Figure("what", Interval((low + high) / 2, low, high), 0.95, at_least=at_least)

    assert str(figure).endswith(f": {verdict})")


def test_a_line_shows_the_number_its_interval_and_its_bar() -> None:
    one = Figure("what", Interval(1.0, 0.5, 2.25), 1.05)
    other = Figure("what", Interval(9.5, 9.0, 12.0), 0.95, "us", at_least=True)

    assert f"{'what':<84}  1.000 [0.500, 2.250]  (bar 1.05: unclear)" == str(one)
    assert f"{'what':<84}  9.500 [9.000, 12.000] us  (bar >= 0.95: met)" == str(other)
    assert str(Figure("what", Interval(1.0, 1.0, 1.0))).endswith("[1.000, 1.000]")
