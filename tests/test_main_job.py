"""The main job as its user runs it: the three commands of the README, on real digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calexnet.cli import main as calexnet
from calexnet.cli.bench import main as bench
from calexnet.cli.export import main as export

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("main_job")
    run, bundle, report = (str(work / name) for name in ("run", "bundle", "report"))
    train = ["train", "--data", "digits", "--backbone", "resnet8", "--out", run]
    assert calexnet(train) == 0
    assert export([run, "--target", "onnxruntime", "--out", bundle]) == 0
    measure = [bundle, "--data", "digits", "--device", "cpu", "--batch", "1,8", "--out", report]
    assert bench([*measure, "--blocks", "8", "--seconds", "8", "--allow-unstable"]) == 0
    return work


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "report" / "report.json").read_text())
    return document


def test_at_least_thirty_percent_leave_early(report: dict[str, Any]) -> None:
    rates = [row["rate"] for row in report["exits"]]
    assert sum(rates) == pytest.approx(1.0)
    assert sum(rates[:-1]) >= 0.30


def test_a_paired_test_does_not_find_it_worse_by_more_than_a_point(
    report: dict[str, Any],
) -> None:
    assert report["accuracy"]["plain"] > 0.95
    assert report["accuracy"]["change_high"] >= -0.01


def test_the_verdict_follows_from_the_reports_own_numbers(report: dict[str, Any]) -> None:
    for cost, crossing in zip(report["amortisation"], report["crossover"], strict=True):
        assert cost["ratio"] == pytest.approx(cost["cascade_ms"] / cost["plain_ms"])
        if cost["ratio_high"] < 1:
            expected = "cascade"
        else:
            expected = "plain" if cost["ratio_low"] > 1 else "unclear"
        assert crossing["verdict"] == expected
        needed = crossing["break_even_exit_rate"]
        pays = needed is not None and crossing["observed_exit_rate"] > needed
        assert pays == (cost["ratio"] < 1)


def test_a_single_image_is_answered(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bundle = str(folder / "bundle")
    assert calexnet(["predict", bundle, "--data", "digits", "--index", "42"]) == 0
    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("digits[42], in truth 1")
    assert line.endswith("ms")
