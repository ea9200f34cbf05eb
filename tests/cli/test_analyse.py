"""``calexnet analyse``: from results to files, or a clear refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.analysis import ANALYSES
from calexnet.cli import main
from calexnet.registry import Part
from tests.support.sample_cells import answers, axes, save


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two methods with two seeds."""
    for method in ("calexnet", "ztw"):
        for seed in (0, 1):
            save(axes(method, seed), answers(0), tmp_path / "cells", rule=Part("threshold"))
    return tmp_path / "cells"


@pytest.mark.parametrize("analysis", ["pareto", "summary", "ece", "shift", "promises"])
def test_an_analysis_is_one_command(
    analysis: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"

    code = main(["analyse", analysis, str(folder), "--out", str(out)])

    assert 0 == code
    suffixes = {path.suffix for path in out.iterdir()}
    assert {".md", ".csv", ".svg", ".png"} == suffixes
    shown = capsys.readouterr().out
    assert (out / f"{analysis}.md").read_text() in shown
    assert str(out / f"{analysis}.svg") in shown
    for recipe in ("calexnet", "ztw"):
        assert f"| {recipe} |" in shown


def test_tables_alone_need_no_matplotlib(folder: Path, tmp_path: Path) -> None:
    code = main(["analyse", "ece", str(folder), "--out", str(tmp_path / "out"), "--no-figures"])

    assert 0 == code
    assert {"ece.md", "ece.csv"} == {path.name for path in (tmp_path / "out").iterdir()}


@pytest.mark.parametrize("analysis", sorted(ANALYSES))
def test_results_that_are_not_there_are_told(
    analysis: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--data", "digits"] if analysis == "exemplars" else []

    code = main(["analyse", analysis, str(tmp_path / "x"), *more, "--out", str(tmp_path / "out")])

    assert 2 == code
    assert "calexnet analyse: error: " in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_unknown_analysis_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["analyse", "guess", "x", "--out", "y"])

    assert "invalid choice: 'guess'" in capsys.readouterr().err
