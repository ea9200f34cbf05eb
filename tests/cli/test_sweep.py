"""``calexnet sweep``: cells from a file of images; resumed, replaced, failed, refused."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.sweep import engine, results

SHORT = ["--backbone", "resnet8", "--epochs", "1", "--backbone-epochs", "1", "--jobs", "1"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: Dataset) -> Path:
    """The working folder, with ``tints.npz``."""
    npz.save(small_data, tmp_path / "tints.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def sweep(*arguments: str, data: str = "tints.npz", out: str = "cells") -> int:
    return main(["sweep", "--data", data, "--out", out, *SHORT, *arguments])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.mark.slow
def test_cells_are_trained_kept_and_gone_on_from(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = sweep("--methods", "calexnet,ztw", "--heads", "linear", "--tidy", "all.csv")

    assert 0 == first
    assert "2 cells, 0 of them finished" in capsys.readouterr().out
    names = [f"method={method},head=linear,seed=0" for method in ("calexnet", "ztw")]
    assert {f"{n}.{s}" for n in names for s in ("json", "npz")} == set(contents(folder / "cells"))
    ours, _ = results.read(folder / "cells")
    test = ours.answers.test
    assert (3, ours.result.spec.split.parts["test"].samples) == test.table.labels.shape
    data = npz.load(folder / "tints.npz")
    np.testing.assert_array_equal(data.labels[test.positions], test.truth)
    assert len(ours.result.macs.stages) == 3
    assert {"calexnet", "torch", "numpy"} == set(ours.result.versions)
    rows = list(csv.DictReader((folder / "all.csv").open()))
    assert {"calexnet", "ztw"} == {row["method"] for row in rows}
    before = contents(folder / "cells")

    second = sweep("--methods", "calexnet,ztw", "--heads", "linear", "--seeds", "0,1")

    assert 0 == second
    assert "4 cells, 2 of them finished" in capsys.readouterr().out
    after = contents(folder / "cells")
    assert before == {name: after[name] for name in before}
    assert 8 == len(after)
    weights = {cell.result.spec.weights.sha256 for cell in results.read(folder / "cells")}
    assert 1 == len(weights)

    # A kill between the two files of a cell, and a cell of another spec.
    (folder / "cells" / f"{names[0]}.json").unlink()
    assert 0 == sweep("--methods", "calexnet,ztw", "--heads", "linear")
    again = contents(folder / "cells")
    assert "2 cells, 1 of them finished" in capsys.readouterr().out
    assert before[f"{names[0]}.npz"] == again[f"{names[0]}.npz"]
    assert 0 == sweep("--methods", "ztw", "--heads", "linear", "--lr", "0.001")
    assert "0 of them finished; 1 of another spec will be replaced" in capsys.readouterr().out
    assert before[f"{names[1]}.npz"] != contents(folder / "cells")[f"{names[1]}.npz"]


@pytest.mark.slow
def test_a_cell_that_fails_is_recorded_with_its_step_and_the_others_are_kept(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # So hot a teacher that T^2 overflows.
    options = ["--option", "calexnet.temperature=4,1e30"]

    code = sweep("--methods", "calexnet,ztw", "--heads", "linear", *options)

    assert 5 == code
    shown = capsys.readouterr().out
    assert "2 cells trained, 1 failed" in shown
    name = "method=calexnet,head=linear,seed=0,temperature=1e30"
    assert f"failed: {name}: TrainingError: the loss is not finite" in shown
    record = json.loads((folder / "cells" / f"{name}.failed.json").read_text())
    assert 1e30 == record["spec"]["plan"]["recipe"]["method"]["options"]["temperature"]
    assert "step 1" in record["message"]
    assert 2 == len(results.read(folder / "cells"))


@pytest.mark.slow
def test_every_cell_has_its_share_of_the_cores(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "cores", lambda: 1)

    assert 0 == sweep("--methods", "ztw", "--heads", "linear")

    (cell,) = results.read(folder / "cells")
    assert 1 == cell.result.threads


@pytest.mark.slow
def test_another_data_set_is_not_mixed_in(
    folder: Path, capsys: pytest.CaptureFixture[str], small_data: Dataset
) -> None:
    assert 0 == sweep("--methods", "ztw", "--heads", "linear")
    before = contents(folder / "cells")
    npz.save(replace(small_data, images=255 - small_data.images), folder / "other.npz")

    code = sweep("--methods", "softmax", "--heads", "linear", data="other.npz")

    assert 2 == code
    assert "cells would mix cells that cannot be compared" in capsys.readouterr().err
    assert before == contents(folder / "cells")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "magic"], "unknown method: got 'magic'"),
        (["--heads", "magic"], "unknown head: got 'magic'"),
        (["--option", "warmth=2"], "the method calexnet cannot be set up so"),
        (["--weights", "none.npz"], "cannot read weights from none.npz"),
        (["--split", "all"], "cannot read the split rule"),
        (
            ["--methods", "trained", "--exits", "a,b"],
            "Add --weights FILE.safetensors with those of",
        ),
    ],
)
def test_what_no_cell_could_do_is_refused_at_once(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code = sweep(*arguments)

    assert 2 == code
    error = capsys.readouterr().err
    assert "calexnet sweep: error: " in error
    assert message in error
    assert not list((folder / "cells").glob("*.json"))


@pytest.mark.slow
def test_rules_without_a_margin_and_classes_without_a_sample_are_told_of(
    folder: Path, capsys: pytest.CaptureFixture[str], small_data: Dataset
) -> None:
    labels = small_data.labels.copy()
    labels[divide(small_data, 0).indices["calibration"]] %= 3
    npz.save(replace(small_data, labels=labels), folder / "no-grey.npz")
    margins = ["--methods", "calexnet,ztw", "--margins", "0.1"]

    assert 0 == sweep(*margins, "--heads", "linear", data="no-grey.npz")

    lines = capsys.readouterr().out.splitlines()
    told = (
        "--margins change nothing for ztw (rule threshold): the setting is no margin, or not seen"
    )
    assert any(line.startswith(told) for line in lines)
    assert "No calibration image of grey: these classes never exit early." in lines
    assert {("grey",)} == {cell.result.uncalibrated for cell in results.read(folder / "cells")}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--option", "warmth"], "expected name=value or name=value,value"),
        (["--seeds", "0,x"], "expected whole numbers, for example 0,1,2"),
        (["--jobs", "0"], "expected a positive whole number"),
    ],
)
def test_a_word_that_cannot_be_read_is_a_usage_error(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["sweep", "--data", "digits", "--out", "x", "--backbone", "resnet8", *words])

    assert message in capsys.readouterr().err
