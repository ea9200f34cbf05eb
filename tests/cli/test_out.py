"""``--out`` and its like where nothing can be written: one message, exit code 2, nothing lost."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from calexnet import cli
from calexnet.files import schema
from tests.support import sample_cells
from tests.support.sample_report import sample_report
from tests.support.small_cascade import files_of

_TRAIN = ("--data", "tints.npz", "--backbone", "resnet8", "--backbone-epochs", "1", "--epochs", "1")
#: Each command that writes a folder, without where to.
FOLDERS = {
    "train": ("train", *_TRAIN, "--out"),
    "sweep": ("sweep", *_TRAIN, "--jobs", "1", "--out"),
    "distill": (
        *("distill", "--teacher", "run", "--data", "tints.npz", "--cost", "30%"),
        *("--epochs", "1", "--out"),
    ),
    "choose": (
        *("choose", "resnet8", "--data", "tints.npz", "--backbone-epochs", "1"),
        *("--effort", "quick", "--max-drop", "20", "--out"),
    ),
    "export": ("export", "run", "--out"),
    "bench": ("bench", "bundle", "--data", "tints.npz", "--seconds", "0.1", "--out"),
    "analyse": ("analyse", "pareto", "cells", "--no-figures", "--out"),
    "report --csv": ("report", "report", "--csv"),
}
#: Likewise of a file.
FILES = {
    "data": ("data", "tints.npz", "--out"),
    "report --html": ("report", "report", "--html"),
    "report --md": ("report", "report", "--md"),
    "compare --json": ("compare", "report", "report", "--across", "invalid", "--json"),
    "doctor --record": ("doctor", "--record"),
}
EVERY = {**FOLDERS, **FILES}


@pytest.fixture(scope="module")
def given(
    small_run: Path, small_bundle: Path, small_npz: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with all that the commands read."""
    folder = tmp_path_factory.mktemp("given")
    shutil.copytree(small_run, folder / "run")
    shutil.copytree(small_bundle, folder / "bundle")
    shutil.copy(small_npz, folder / "tints.npz")
    (folder / "cells").mkdir()
    sample_cells.save(sample_cells.axes(), sample_cells.answers(count=60), folder / "cells")
    (folder / "taken.npz").mkdir()
    (folder / "report").mkdir()
    (folder / "report" / "report.json").write_text(json.dumps(schema.encode(sample_report())))
    return folder


@pytest.fixture
def refused(
    given: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str], str]:
    """Return what runs a command beside what it reads, and returns its one message."""
    monkeypatch.chdir(given)

    def run(command: str, out: str) -> str:
        before = files_of(given)
        code = cli.main([*EVERY[command], out])
        told = capsys.readouterr().err
        assert 2 == code, told
        assert 1 == told.count("error: "), told
        message = told.partition("error: ")[2].removesuffix("\n")
        assert len(message) <= 400
        assert "\n" not in message
        assert before == files_of(given)
        return message

    return run


@pytest.mark.parametrize("command", EVERY)
def test_a_place_that_the_system_keeps_to_itself(
    command: str, refused: Callable[[str, str], str]
) -> None:
    assert "/proc/x" in refused(command, "/proc/x")


@pytest.mark.parametrize("command", FOLDERS)
def test_a_file_in_the_place_of_a_folder(command: str, refused: Callable[[str, str], str]) -> None:
    assert "tints.npz" in refused(command, "tints.npz")


@pytest.mark.parametrize("command", FILES)
def test_a_folder_in_the_place_of_a_file(command: str, refused: Callable[[str, str], str]) -> None:
    assert "taken.npz" in refused(command, "taken.npz")


@pytest.mark.parametrize("command", EVERY)
def test_a_place_below_a_file(command: str, refused: Callable[[str, str], str]) -> None:
    assert "tints.npz/out" in refused(command, "tints.npz/out")


@pytest.mark.parametrize("command", EVERY)
def test_a_name_that_is_too_long(command: str, refused: Callable[[str, str], str]) -> None:
    refused(command, "x" * 5000)
