"""``calexnet train``: from a file of images to a trained cascade, or a clear refusal."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.registry import Allowed
from calexnet.training import checkpoint
from calexnet.training.backbones import BackboneSpec, build
from tests.support import image_sets
from tests.support.small_cascade import is_same, save_npz, tensors

OWN = """
from torch import nn

def tiny(classes):
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU())
    body = nn.Sequential(nn.Conv2d(8, 12, 3, 2), nn.BatchNorm2d(12), nn.ReLU())
    return nn.Sequential(stem, body, nn.AvgPool2d(3), nn.Flatten(), nn.Linear(12, classes))
"""
OWNERS = Allowed(("tinynet",))
OWN_BACKBONE = ["--backbone", "tinynet:tiny", "--attach", "0,1"]
SHORT = ["--epochs", "2", "--backbone-epochs", "2"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: Dataset) -> Path:
    """The working folder: ``tints.npz`` and the module ``tinynet``."""
    npz.save(small_data, tmp_path / "tints.npz")
    (tmp_path / "tinynet.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delitem(sys.modules, "tinynet", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def train(*arguments: str, out: str = "runs/tints") -> int:
    return main(["train", "--data", "tints.npz", "--out", out, *arguments])


def test_a_backbone_of_ones_own_is_trained_and_branched(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = train(*OWN_BACKBONE, *SHORT, "--margin", "0.1", "--margins", "0,0.3", "--seed", "3")

    assert 0 == code
    lines = capsys.readouterr().out.splitlines()
    start = lines.index("branch            accuracy  effective samples  reached it  left there")
    assert ["0", "1"] == [line.split()[0] for line in lines[start + 1 : start + 3]]
    points = [line.split()[0] for line in lines if line.startswith("margin")]
    assert ["margin-0", "margin-0.1", "margin-0.3"] == points
    assert ["margin-0.1"] == [line.split()[0] for line in lines if "(default)" in line]
    assert "Trained cascade: runs/tints" == lines[-1]
    (room,) = (line for line in lines if line.startswith("Features for the branches: "))
    assert room.endswith("B on the disk while it trains.")
    made, _ = checkpoint.load(folder / "runs" / "tints", OWNERS)
    assert BackboneSpec("tinynet:tiny", 4) == made.spec.backbone
    assert (2, 0.1, 3) == (
        made.spec.recipe.optimisation.epochs,
        made.spec.recipe.setting,
        made.spec.recipe.optimisation.seed,
    )
    assert made.spec.backbone_training is not None
    assert (2, 3) == (made.spec.backbone_training.epochs, made.spec.backbone_training.seed)
    assert 3 == made.spec.split.seed
    assert ["tints"] == [path.name for path in (folder / "runs").iterdir()]


@pytest.mark.parametrize("head", ["separable", "prototype"])
def test_heads_are_narrowed_to_a_budget_and_stay_so(
    head: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = train("--backbone", "resnet8", *SHORT, "--head", head, "--head-budget", "0.6%")

    assert 0 == code
    made, _ = checkpoint.load(folder / "runs" / "tints")
    macs = made.macs()
    assert 0.004 * macs.plain < sum(macs.branches) <= 0.006 * macs.plain
    widths = made.spec.recipe.widths
    assert 2 == len(widths)
    said = f"Narrowed to --head-budget: at most {widths[0]}, {widths[1]} channels inside"
    assert said in capsys.readouterr().out


def test_a_budget_that_nothing_fits_is_refused_before_training(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == train("--backbone", "resnet8", "--head", "strided", "--head-budget", "0.001%")

    told = capsys.readouterr().err
    assert "strided heads do not fit the budget: got " in told
    assert "with one channel inside; expected at most 0.00%" in told
    with pytest.raises(SystemExit):
        train("--backbone", "resnet8", "--head-budget", "2")
    assert "got '2'; expected a share, for example 2%" in capsys.readouterr().err


def test_a_cascade_that_lets_nobody_out_says_so_loudly(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = ["--rule", "threshold", "--margin", "2", "--margins", "2"]  # no score is above 1

    assert 0 == train("--backbone", "resnet8", *SHORT, *nobody)

    told = capsys.readouterr().out.splitlines()
    assert (
        "WARNING: no operating point lets an image leave early, so nothing is saved: try --head "
        "strided, --rule price, more --epochs, or more calibration images." in told
    )


def test_a_trained_backbone_is_used_as_it_is(folder: Path) -> None:
    torch.manual_seed(1)
    network = build(BackboneSpec("tinynet:tiny", 4), OWNERS)
    save_npz(folder / "weights.npz", tensors(network))
    given = ["--mean", "0.4,0.5,0.6", "--std", "0.2,0.2,0.3", "--head", "linear"]

    code = train(*OWN_BACKBONE, *SHORT, *given, "--weights", "weights.npz")

    assert 0 == code
    made, _ = checkpoint.load(folder / "runs" / "tints", OWNERS)
    assert is_same(tensors(network), tensors(made.backbone.network))
    assert made.spec.backbone_training is None
    assert "linear" == made.spec.recipe.head
    assert ((0.4, 0.5, 0.6), (0.2, 0.2, 0.3)) == (
        made.spec.preprocessing.mean,
        made.spec.preprocessing.std,
    )


def test_what_is_taken_off_the_names_of_weights_is_said(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = build(BackboneSpec("tinynet:tiny", 4), OWNERS).state_dict()
    torch.save({"state_dict": {f"module.{name}": t for name, t in state.items()}}, "best.pth")

    code = train(*OWN_BACKBONE, *SHORT, "--weights", "best.pth")

    assert 0 == code
    assert "best.pth: took module. off the names of its tensors" in capsys.readouterr().out


@pytest.mark.slow
def test_the_split_and_the_data_root_are_the_ones_given(folder: Path) -> None:
    image_sets.write_cifar100_archive(folder)
    rule = "train=train calibration=test[:4] test=test[4:]"
    given = ["--data", "cifar100-coarse", "--data-root", str(folder), "--split", rule]

    code = train("--backbone", "resnet8", *SHORT, *given)

    assert 0 == code
    made, _ = checkpoint.load(folder / "runs" / "tints", OWNERS)
    assert image_sets.COARSE == made.spec.classes
    assert ("cifar100-coarse", rule) == (made.spec.split.data, made.spec.split.rule)
    assert [20, 4, 2] == [part.samples for part in made.spec.split.parts.values()]


def test_training_again_replaces_the_earlier_run(folder: Path) -> None:
    first = train(*OWN_BACKBONE, *SHORT)
    identity = checkpoint.load(folder / "runs" / "tints", OWNERS)[1]

    second = train(*OWN_BACKBONE, *SHORT, "--seed", "1")

    assert (0, 0) == (first, second)
    assert identity != checkpoint.load(folder / "runs" / "tints", OWNERS)[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--backbone", "resnet9"], "unknown backbone: got 'resnet9'; expected one of resnet8, "),
        (["--backbone", "tiny:net", "--attach", "0"], "cannot find the backbone tiny:net: got "),
        (["--backbone", "tinynet:tiny"], "Add for example --attach 0: up to there lie 64% of"),
        (["--backbone", "resnet8", "--attach", "layer7"], "no such attach point: got 'layer7'"),
        (["--backbone", "resnet8", "--attach", "bn1,bn1"], "the attach points cannot be used: got"),
        (["--backbone", "resnet8", "--head", "mlp"], "unknown head: got 'mlp'; expected one of"),
        (["--backbone", "resnet8", "--stem", "3x3"], "resnet8 has no choice of stem: got 3x3"),
        (["--backbone", "resnet18", "--stem", "5x5"], "unknown stem: got '5x5'; expected one of"),
        (["--backbone", "resnet8", "--epochs", "0"], "the optimisation's epochs cannot be used"),
        (
            ["--backbone", "resnet8", "--backbone-epochs", "0"],
            "the backbone training's epochs cannot be used: got 0",
        ),
        (["--backbone", "resnet8", "--mean", "0.5"], "got 1 "),
        (["--backbone", "resnet8", "--mean", "0.5", "--std", "0.2"], "got 1 "),
        (["--backbone", "resnet8", "--std", "0,1,1"], "std cannot be used: got (0.0, 1.0, 1.0)"),
        (["--backbone", "resnet8", "--weights", "w.pt"], "cannot read weights from w.pt: got [E"),
        (["--backbone", "resnet8", "--weights", "w.bin"], "cannot read weights from w.bin: got .b"),
        (["--backbone", "resnet8", "--weights", "w.npz"], "cannot read weights from w.npz: got "),
        (["--backbone", "resnet8", "--data", "none.npz"], "none.npz"),
        (["--backbone", "resnet8", "--split", "train=all"], "cannot read the split rule: got no c"),
        (["--backbone", "resnet8", "--data", "cifar10", "--data-root", "."], "cifar10 is not in "),
        (["--backbone", "resnet8", "--data", "grey.npz"], "the backbone does not fit the data: "),
    ],
)
def test_bad_input_is_told_and_leaves_nothing_behind(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    small_data: Dataset,
    arguments: list[str],
    message: str,
) -> None:
    np.savez("grey.npz", images=small_data.images[..., :1], labels=small_data.labels)
    before = {path.name for path in folder.iterdir()}

    code = train(*arguments)

    assert 2 == code
    error = capsys.readouterr().err
    assert "calexnet train: error: " in error
    assert message in error
    assert "Traceback" not in error
    left = {path.name for path in folder.rglob("*")} - {"__pycache__"}
    assert left - before - {"runs"} == {n for n in left if n.startswith("tinynet.cpython")}


def test_weights_with_nan_are_told_and_leave_nothing_behind(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = tensors(build(BackboneSpec("tinynet:tiny", 4), OWNERS))
    weights["4.bias"][0] = np.nan
    save_npz(folder / "weights.npz", weights)

    code = train(*OWN_BACKBONE, "--weights", "weights.npz")

    assert 2 == code
    told = "the network's answers are no numbers: got NaN or infinity for 16 of 16 images; expected"
    assert told in capsys.readouterr().err
    assert [] == list((folder / "runs").iterdir())


def test_a_folder_of_somebody_elses_is_not_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / "thesis.txt").write_text("all of it")

    code = train(*OWN_BACKBONE, *SHORT, out="mine")

    assert 2 == code
    assert "will not replace" in capsys.readouterr().err
    assert "all of it" == (folder / "mine" / "thesis.txt").read_text()


@pytest.mark.parametrize("missing", ["--data", "--out"])
def test_a_missing_argument_is_a_usage_error(
    missing: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--data": "digits", "--backbone": "resnet8", "--out": "run"}
    del given[missing]

    with pytest.raises(SystemExit, match=r"^2$"):
        main(["train", *(part for pair in given.items() for part in pair)])

    assert f"the following arguments are required: {missing}" in capsys.readouterr().err


def test_a_backbone_has_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["train", "--data", "digits", "--out", "run"])

    assert "named once: got no backbone; expected calexnet train model" in capsys.readouterr().err


def test_what_was_trained_with_ones_own_parts_is_used_again_if_they_are_allowed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == train(*OWN_BACKBONE, *SHORT)
    words = ["evaluate", "runs/tints", "--data", "tints.npz"]

    assert 2 == main(words)
    assert "If you trust its code, add --allow tinynet" in capsys.readouterr().err
    assert 0 == main([*words, "--allow", "tinynet"])


@pytest.mark.parametrize(("given", "expected"), [(None, "passive"), ("active", "active")])
def test_threads_rest_while_they_wait_unless_the_user_said_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")  # so that it is put back
    if given is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")

    main(["train", "--data", "none.npz", "--backbone", "resnet8", "--out", "run"])

    assert expected == os.environ["OMP_WAIT_POLICY"]


def test_nothing_imports_torch_before_its_threads_are_told_to_rest() -> None:
    code = (
        "import sys; from calexnet.cli import main, train\n"
        "train.let_threads_rest = lambda: sys.exit('torch' in sys.modules)\n"
        "main(['train', '--data', 'digits', '--backbone', 'resnet8', '--out', 'run'])"
    )

    assert 0 == subprocess.run([sys.executable, "-c", code], check=False).returncode
