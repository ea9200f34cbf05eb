"""``calexnet analyse``: from results to files, or a clear refusal."""

from __future__ import annotations

from pathlib import Path

import pytest

from calexnet.analysis import ANALYSES, DEPLOYING, RENAMED, STUDY
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


@pytest.mark.slow
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


def test_what_a_study_alone_needs_stands_apart(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["analyse", "--help"])

    shown = capsys.readouterr().out
    deploying, _, study = shown.partition("\nto study methods:\n")
    listed = [line.split()[0] for line in deploying.splitlines() if line.startswith("    ")]
    assert [*DEPLOYING] == [name for name in listed if name in ANALYSES]
    assert [*STUDY] == [line.split()[0] for line in study.splitlines()]
    assert not set(RENAMED) & set(listed)


def test_an_old_name_works_with_a_word(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == main(["analyse", "choose", str(folder), "--out", str(tmp_path / "out")])

    told = "calexnet analyse: choose is called select now; the old name will go\n"
    assert told == capsys.readouterr().err
    assert (tmp_path / "out" / "select.md").is_file()
