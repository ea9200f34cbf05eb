"""A network that brings trained exits of its own: thresholds are found, nothing is learnt."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from calexnet import runtimes
from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.export import export_run
from calexnet.gating import choose_exits
from calexnet.registry import Allowed
from calexnet.sweep import results
from calexnet.training import checkpoint

BRANCHY = """
import torch
from torch import nn

class Branchy(nn.Module):
    def __init__(self, classes):
        super().__init__()
        torch.manual_seed(3)
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU())
        self.exit1 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
        self.second = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.exit2 = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))
        self.wide = nn.Sequential(nn.Flatten(), nn.Linear(8 * 4 * 4, classes + 1))
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(8 * 4 * 4, classes))

    def forward(self, images):
        return self.last(self.second(self.first(images)))

def build(classes):
    return Branchy(classes)
"""
EXITS = ["--method", "trained", "--exits", "exit1,exit2", "--attach", "first,second"]


@pytest.fixture
def folder(tmp_path: Path, small_data: Dataset, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "branchy.py").write_text(BRANCHY)
    npz.save(small_data, tmp_path / "tints.npz")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "branchy", raising=False)
    return tmp_path


def train(*options: str) -> int:
    words = ["train", "--data", "tints.npz", "--backbone", "branchy:build", "--out", "run"]
    return main([*words, *options])


@pytest.mark.slow
def test_its_exits_become_a_cascade_as_they_are(folder: Path, small_data: Dataset) -> None:
    assert 0 == train(*EXITS, "--rule", "threshold", "--margins", "0.2,0.3", "--margin", "0.26")

    cascade, _ = checkpoint.load(folder / "run", Allowed(("branchy",)))
    sys.path.insert(0, str(folder))
    import branchy  # type: ignore[import-not-found]

    network = branchy.build(4)
    inputs = torch.from_numpy(cascade.spec.preprocessing.normalise(small_data.images[:32]))
    with torch.inference_mode():
        first = network.first(inputs)
        second = network.second(first)
        said = torch.stack([network.exit1(first), network.exit2(second), network(inputs)])
    table = cascade.answer(small_data.images[:32])
    assert np.array_equal(said.argmax(2).numpy(), table.labels)
    reports = cascade.spec.branches
    assert [None, None] == [report.loss for report in reports]
    assert [None, None] == [report.effective_samples for report in reports]

    export_run(folder / "run", folder / "bundle", allow=["branchy"])
    result = runtimes.load(folder / "bundle", threads=1)(small_data.images[:32])
    thresholds = np.full((2, 4), 0.26, dtype=np.float32)
    doubtful = (np.abs(table.scores[:2] - 0.26) < 1e-5).any(0)
    wanted = choose_exits(table, thresholds)
    assert np.array_equal(wanted[~doubtful], result.exits[~doubtful])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EXITS[:2], "exits and method do not go together: got --method trained with 0 --exits"),
        (["--exits", "exit1"], "got --method calexnet with 1 --exits; expected --method trained"),
        (
            [*EXITS[:3], "exit1,exit9", *EXITS[4:]],
            "the exits cannot be used: got no module 'exit9'",
        ),
        (
            [*EXITS[:3], "exit1", *EXITS[4:]],
            "the exits cannot be used: got 1 exits; expected names",
        ),
        (
            [*EXITS[:3], "exit1,wide", *EXITS[4:]],
            "the exit wide cannot be used: got (5,); expected (4,), one logit a class, from "
            "features of shape (8, 4, 4). Check --exits and --attach.",
        ),
        (
            [*EXITS[:3], "last,exit2", *EXITS[4:]],
            "the exit last cannot be used: got RuntimeError: mat1 and mat2 shapes cannot be "
            "multiplied (2x512 and 128x4); expected (4,), one logit a class",
        ),
    ],
)
@pytest.mark.usefixtures("folder")
def test_exits_that_do_not_fit_are_told(
    capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert 2 == train(*options)

    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_compares_its_exits_with_heads_that_are_trained(folder: Path) -> None:
    sys.path.insert(0, str(folder))
    import branchy

    save_file(branchy.build(4).state_dict(), folder / "w.safetensors")
    words = ["sweep", "--data", "tints.npz", "--backbone", "branchy:build", "--out", "cells"]
    attach = ["--exits", "exit1,exit2", "--attach", "first,second", "--weights", "w.safetensors"]

    few = ["--methods", "trained,softmax", "--heads", "linear", "--epochs", "1", "--jobs", "1"]
    assert 0 == main([*words, *attach, *few])

    found = {cell.result.spec.axes.method: cell for cell in results.read(folder / "cells")}
    assert {"trained", "softmax"} == set(found)
    assert [None, None] == [report["loss"] for report in found["trained"].result.branches]
