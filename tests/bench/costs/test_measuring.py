"""Pieces timed on real runtimes: all of them, each doing its part of the cascade's own work."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from calexnet.bench.costs import board as boards
from calexnet.bench.costs.board import Board
from calexnet.bench.costs.measuring import CostPlan, measure
from calexnet.bench.costs.opened import Opened, OpenedBuild
from calexnet.bench.costs.power import mean_power
from calexnet.bench.report.task import Setting
from calexnet.devices.base import Probe
from calexnet.devices.cpu import CpuDevice
from calexnet.errors import BundleError, InputError
from calexnet.export.pool.document import Span, open_pool
from calexnet.gating import forcing
from calexnet.runtimes.loading import load_runner
from tests.support.synthetic_power import PowerMeter, SyntheticTime

CHAIN = [
    Span("tints", None, "layer1", "prototype"),
    Span("tints", "layer1", "layer2", "prototype"),
    Span("tints", "layer2"),
]


@pytest.fixture(scope="module")
def board(small_pool: Path) -> Board:
    plan = CostPlan(batches=(2,), blocks=2, seconds=0.05, allow_unstable=True)
    return measure(small_pool, plan, CpuDevice())


def test_every_piece_has_a_row_at_every_setting(board: Board, small_pool: Path) -> None:
    """Batch 1 too: one of two images may survive."""
    pool = open_pool(small_pool)
    expected = {
        (span, Setting(target, precision, batch))
        for target, precision in pool.builds()
        for span in pool.network("tints").spans()
        for batch in (1, 2)
    }

    assert expected == {(row.piece, row.setting) for row in board.rows}
    assert len(expected) == len(board.rows)
    assert pool.sha256 == board.pool
    for row in board.rows:
        for ms in (row.warm_ms, row.cold_ms):
            assert 0 < ms.low <= ms.value <= ms.high


def test_it_is_kept_and_read_again(board: Board, small_pool: Path, tmp_path: Path) -> None:
    boards.write(board, tmp_path / "board.json")

    assert board == boards.read(tmp_path / "board.json", open_pool(small_pool))


@pytest.mark.parametrize("build", [("onnxruntime", "fp32"), ("tflite", "int8")])
def test_pieces_in_a_chain_answer_as_one_network(build: tuple[str, str], small_pool: Path) -> None:
    """With nobody leaving, the tail says what the network alone does."""
    opened = open_build(small_pool, *build)
    images = opened.batches(2)[0]
    answers = opened.chain(CHAIN).answer(images, forcing((2, 4), 3), 1, None)
    plain = opened.chain([Span("tints")]).answer(images, forcing((0, 4), 1), 3, None)

    assert [3, 3] == list(answers.exits)
    np.testing.assert_array_equal(plain.labels, answers.labels)
    np.testing.assert_allclose(plain.scores, answers.scores, atol=2e-6)


def test_pieces_in_a_chain_answer_as_the_bundle(small_pool: Path, small_bundle: Path) -> None:
    from calexnet.bundle import open_bundle

    opened = open_build(small_pool, "onnxruntime", "fp32")
    runner = load_runner(open_bundle(small_bundle), "onnxruntime", threads=1)
    images = np.concatenate(opened.batches(2))
    expected = runner(images)
    answers = opened.chain(CHAIN).answer(images, runner.thresholds, 1, None)

    for mine, theirs in zip(answers[:3], expected[:3], strict=True):
        np.testing.assert_array_equal(theirs, mine)


@pytest.mark.parametrize("cold", [False, True])
@pytest.mark.parametrize("span", [*CHAIN, Span("tints")])
def test_what_is_timed_is_the_piece_alone(span: Span, cold: bool, small_pool: Path) -> None:
    """Ahead of it runs what leads up to it; the timed call then lets everybody out."""
    opened = open_build(small_pool, "onnxruntime", "fp32")
    work = opened.work(span, 2, opened.whole(2) if cold else None)
    if work.ahead is not None:
        work.ahead(1)()
    answers = work.call(1)()
    exits = [2, 2] if span.start else [1, 1]

    assert exits == list(answers.exits)  # type: ignore[attr-defined]
    assert (span.start is not None or cold) == (work.ahead is not None)


def open_build(folder: Path, target: str, precision: str) -> Opened:
    return OpenedBuild(open_pool(folder), target, precision).networks["tints"]


def test_a_build_that_is_not_there_is_refused(small_pool: Path) -> None:
    with pytest.raises(InputError, match="no such pieces: got tflite fp32; expected onnxruntime"):
        measure(small_pool, CostPlan(target="tflite", precision="fp32"), CpuDevice())


def test_a_bundle_is_refused(small_bundle: Path) -> None:
    with pytest.raises(BundleError, match=r"is not a pool of pieces: got no pool.json"):
        measure(small_bundle, CostPlan(), CpuDevice())


def test_a_plan_that_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="threads cannot be used"):
        CostPlan(threads=(0,))


def test_power_is_that_of_a_window_of_work() -> None:
    """A meter that says 7 W while it works and 2 W at rest."""
    time = SyntheticTime(2.0)
    device = CpuDevice()
    device.probes = lambda: (Probe("meter", PowerMeter(time)),)  # type: ignore[method-assign]

    found = mean_power(device, [lambda: time.work(0.01, 7.0)], time)

    assert 7.0 == pytest.approx(found.watts, rel=0.02)


def test_without_a_sensor_there_is_a_reason() -> None:
    device = CpuDevice()
    device.probes = lambda: (Probe("meter", None, "it is asleep"),)  # type: ignore[method-assign]

    found = mean_power(device, [], SyntheticTime())

    assert (None, "meter: it is asleep") == (found.watts, found.reason)


def test_a_board_without_torch_measures_a_pool(small_pool: Path, tmp_path: Path) -> None:
    blocked = "torch", "onnx", "onnx_ir", "sklearn", "safetensors", "psutil", "flatbuffers"
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from calexnet.cli.bench import main; sys.exit(main())"
    )
    words = ["--blocks", "2", "--seconds", "0.05", "--allow-unstable", "--target", "onnxruntime"]
    out = tmp_path / "board.json"
    done = subprocess.run(
        [sys.executable, "-Ic", code, small_pool, "--costs-only", "--out", out, *words],
        capture_output=True,
        text=True,
    )

    assert 0 == done.returncode, done.stderr
    assert 6 == len(boards.read(out, open_pool(small_pool)).rows)
    assert f"Costs: {out}\n" == done.stdout.splitlines(keepends=True)[-1]
