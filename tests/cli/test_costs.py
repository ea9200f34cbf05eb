"""``calexnet-bench POOL --costs-only`` as its user meets it."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.bench.costs import board as boards
from calexnet.cli import bench, costs
from calexnet.errors import MeasurementError
from tests.support.sample_board import board

TINY = ["--costs-only", "--blocks", "2", "--seconds", "0.05"]


@pytest.fixture
def words(small_pool: Path, tmp_path: Path) -> list[str]:
    return [str(small_pool), "--out", str(tmp_path / "board.json"), *TINY, "--target", "tflite"]


def test_the_costs_are_written_and_said(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = bench.main([*words, "--allow-unstable"])
    out, err = capsys.readouterr()

    assert 0 == code, err
    found = boards.read(tmp_path / "board.json")
    assert 6 == len(found.rows)
    assert f"--out {tmp_path}/board.json" in found.command
    assert "tflite int8, batch 1, threads 1: 6 pieces" == out.splitlines()[0]
    assert f"Costs: {tmp_path / 'board.json'}" == out.splitlines()[-1]


@pytest.mark.parametrize(
    "more", [["--data", "digits"], ["--rival", "x"], ["--clock", "gpu"], ["--fail-if", "p95_ms>1"]]
)
def test_what_a_pool_has_no_use_for_is_refused(
    more: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == bench.main([*words, *more])
    assert f"error: {more[0]} is not for --costs-only: got" in capsys.readouterr().err


def test_a_pool_is_no_bundle(
    small_pool: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == bench.main([str(small_pool), "--data", "digits", "--out", str(tmp_path / "out")])
    assert (
        f"is a pool of pieces, and no cascade: expected a bundle, or --costs-only. "
        f"calexnet-bench {small_pool} --costs-only --out board.json."
    ) in capsys.readouterr().err


def test_a_bundle_without_data_is_refused(
    bench_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == bench.main([str(bench_bundle), "--out", str(tmp_path / "out")])
    assert "there is nothing to measure on: expected --data" in capsys.readouterr().err


def test_a_folder_is_no_place_for_a_file(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == bench.main([*words, "--out", str(tmp_path)])
    assert f"the costs go into a file: got the folder {tmp_path}" in capsys.readouterr().err


def test_void_ratios_end_with_their_own_code(
    words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What a shared machine voids are times in ms; which cascade is faster is told by ratios."""
    from dataclasses import replace

    from calexnet.bench.report.validity import Breach, Claim

    voids: tuple[Claim, ...] = ("time",)

    def shared(*given: object, **more: object) -> boards.Board:
        breach = Breach("foreign load", 0.5, 0.1, voids)
        found = board({})
        return replace(found, validity=replace(found.validity, breaches=(breach,)))

    monkeypatch.setattr(costs, "measure", shared)
    assert 0 == bench.main(words)
    assert "warning: other processes used 50.0 % of the cores' time" in capsys.readouterr().err
    voids = ("ratio", "time")
    assert MeasurementError.exit_code == bench.main(words)
