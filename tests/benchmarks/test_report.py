"""The figures of ``make bench`` about reports: what they say, not how they come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.report import default_figure, report_figures
from calexnet.data import npz
from tests.support.onnx_bundle import WIDE, sample_data


@pytest.mark.slow
def test_every_batch_has_its_share_of_runs_that_held_its_width_and_its_error(
    bench_bundle: Path,
) -> None:
    figures = [*report_figures(bench_bundle, sample_data(WIDE), runs=2, seconds=0.01)]

    assert [
        f"digits, batch {batch}, 2 reports: {what}"
        for batch in (1, 32)
        for what in (
            "prediction within the noise",
            "half-width of its interval",
            "predicted / measured",
        )
    ] == [figure.what for figure in figures]
    assert [(0.9, True), (0.05, False), (None, False)] * 2 == [
        (figure.bar, figure.at_least) for figure in figures
    ]
    for held, width, error in (figures[:3], figures[3:]):
        assert held.value.value in (0.0, 0.5, 1.0)
        assert 0 <= held.value.low < held.value.high <= 1
        assert 0 < width.value.low <= width.value.high
        assert 0 < error.value.value


@pytest.mark.slow
def test_a_run_as_it_comes_is_timed_whole(bench_bundle: Path, tmp_path: Path) -> None:
    file = tmp_path / "squares.npz"
    npz.save(sample_data(WIDE), file)
    short = ["--seconds", "0.01", "--blocks", "2", "--batch", "1", "--no-memory"]
    short += ["--energy-windows", "0", "--all-samples"]

    figure = default_figure(bench_bundle, str(file), short)

    assert ("digits: calexnet-bench as it comes", 90.0, "s") == (
        figure.what,
        figure.bar,
        figure.unit,
    )
    assert 0 < figure.value.value
