"""``calexnet train`` on networks as people have them: trained and kept, or refused beforehand."""

from __future__ import annotations

import errno
import importlib
import re
import sys
import tempfile
from pathlib import Path

import pytest

from calexnet.cli import main
from calexnet.data import npz
from calexnet.data.dataset import Dataset
from calexnet.registry import Allowed
from calexnet.training import checkpoint
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.cascade import Cascade
from tests.support.small_cascade import save_npz, tensors

OWNERS = Allowed(("ownnet",))

#: Every class is a network of its own trait.
NETWORKS = """
import torch
from torch import nn

def block(inputs, outputs, stride):
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1), nn.ReLU())

class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.one, self.two = block(3, 8, 1), block(8, 16, 2)
        self.fc = nn.Linear(16, classes)

    def forward(self, x):
        return self.fc(self.two(self.one(x)).mean((2, 3)))

class NumClasses(Net):
    def __init__(self, num_classes):
        super().__init__(num_classes)

class View(Net):
    def __init__(self, classes):
        super().__init__(classes)
        self.fc = nn.Linear(16 * 4 * 4, classes)

    def forward(self, x):
        x = self.two(self.one(x))
        return self.fc(x.view(x.size(0), -1))

class Shared(Net):
    def __init__(self, classes):
        super().__init__(classes)
        self.again = self.more = block(16, 16, 1)

    def forward(self, x):
        return self.fc(self.again(self.more(self.two(self.one(x)))).mean((2, 3)))

class Versioned(Net):
    _version = 2

    def _load_from_state_dict(self, state, prefix, metadata, *rest):
        if metadata.get("version") not in (1, 2):
            raise ValueError("version should be 1 or 2")
        super()._load_from_state_dict(state, prefix, metadata, *rest)

class Auxiliary(Net):
    def __init__(self, classes):
        super().__init__(classes)
        self.aux = nn.Linear(8, classes)

    def forward(self, x):
        first = self.one(x)
        answer = self.fc(self.two(first).mean((2, 3)))
        return (answer, self.aux(first.mean((2, 3)))) if self.training else answer

class Softmax(Net):
    def forward(self, x):
        return super().forward(x).softmax(1)

class Mean(Net):
    def forward(self, x):
        return super().forward(x - x.mean())

class Branchy(Net):
    def forward(self, x):
        return [super(Branchy, self).forward(x)] * 2

class Sized(Net):
    def forward(self, x):
        if x.shape[2:] != (224, 224):
            raise ValueError(f"expected 224 x 224, got {tuple(x.shape)}")

class Chance(Net):
    def forward(self, x):
        return super().forward(x) + torch.arange(4) * 1e3

class Grown(Net):
    grown = 0

    def __init__(self, classes):
        super().__init__(classes)
        Grown.grown += 1
        self.extra = nn.Linear(Grown.grown, 2)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: Dataset) -> Path:
    """The working folder: ``tints.npz`` and the module ``ownnet``."""
    npz.save(small_data, tmp_path / "tints.npz")
    (tmp_path / "ownnet.py").write_text(NETWORKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    monkeypatch.delitem(sys.modules, "ownnet", raising=False)
    importlib.invalidate_caches()
    return tmp_path


def train(name: str, *arguments: str) -> int:
    short = ["--epochs", "1", "--backbone-epochs", "1"]
    chosen = ["--backbone", f"ownnet:{name}", *(arguments or ("--attach", "one"))]
    return main(["train", "--data", "tints.npz", "--out", "run", *chosen, *short])


@pytest.mark.parametrize("name", ["Net", "NumClasses", "View", "Shared", "Versioned", "Auxiliary"])
def test_a_network_of_an_odd_kind_is_trained_and_comes_back(
    name: str, small_data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 0 == train(name)

    made, _ = checkpoint.load(Path("run"), OWNERS)
    assert 4 == made.probabilities(small_data.images[:3]).shape[2]
    said = capsys.readouterr().out
    assert ("in training mode the backbone gives 2 outputs" in said.lower()) == (
        name == "Auxiliary"
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Softmax", "the network answers with probabilities: got rows that are not negative"),
        ("Mean", "an image's answer depends on the others in its batch: got numbers that differ"),
        ("Branchy", "got a list of 2 from forward; expected logits (n, 4). Return the last logits"),
        ("Sized", "got ValueError: expected 224 x 224, got (2, 3, 8, 8) (ownnet.py, line "),
        ("Grown", "a trained network of this kind could not be read back: got RuntimeError: "),
    ],
)
def test_a_network_that_cannot_be_a_cascade_is_refused_before_training(
    name: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert 2 == train(name)

    said = capsys.readouterr()
    assert message in said.err
    assert "training" not in said.err.replace("training mode", "")
    assert not Path("run").exists()


def test_without_attach_points_good_ones_are_proposed(capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == train("Net", "--seed", "0")

    # One 3x3 convolution of 3 to 8 channels on 8x8 positions, one of 8 to 16 on 4x4, a layer.
    share = 13_824 / (13_824 + 18_432 + 64)
    told = f"Add for example --attach one: up to there lie {share:.0%} of its MACs."
    assert told in capsys.readouterr().err


def test_plain_is_told_before_and_beside_every_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == train("Net")

    made, _ = checkpoint.load(Path("run"), OWNERS)
    assert made.spec.plain_accuracy is not None
    said = capsys.readouterr().out
    right = f"{made.spec.plain_accuracy:.1%}"
    assert f"Plain answers {right} of the " in said
    points = [line.split() for line in said.splitlines() if line.startswith("margin-")]
    assert [right] * len(points) == [words[2] for words in points]


def test_a_backbone_at_chance_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    save_npz(Path("w.npz"), tensors(build(BackboneSpec("ownnet:Chance", 4), OWNERS)))

    assert 0 == train("Chance", "--attach", "one", "--weights", "w.npz")

    said = capsys.readouterr().out
    assert said.index("WARNING: plain answers ") < said.index("branch            accuracy")
    assert "no better than chance: " in said
    assert "--mean and --std are those of the backbone's training, in 0..1" in said


def test_a_place_where_nothing_is_saved_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert 0 == train("Net", "--attach", "one,two")

    said = capsys.readouterr().out
    assert "WARNING: leaving at two costs " in said
    assert (
        "so nothing is saved there.\nAttach earlier, choose --head linear or separable, or set"
        in said
    )
    assert "leaving at one" not in said


def test_a_network_is_looked_at_before_all_images_of_a_folder_are_read(
    small_data: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    image = pytest.importorskip("PIL.Image")
    for row in range(40):
        place = Path("photos") / small_data.classes[small_data.labels[row]]
        place.mkdir(parents=True, exist_ok=True)
        image.fromarray(small_data.images[row]).save(place / f"{row:03}.png")
    (place / "999.png").write_bytes(b"damaged")
    chosen = ["--backbone", "ownnet:Softmax", "--attach", "one"]

    code = main(["train", "--data", "photos", "--out", "run", *chosen])

    said = capsys.readouterr().err
    assert 2 == code
    assert "the network answers with probabilities" in said
    assert "reading photos" not in said
    assert 2 == main(
        ["train", "--data", "photos", "--out", "run", *chosen[:1], "ownnet:Net", *chosen[2:]]
    )
    assert "cannot read 1 of 41 images" in capsys.readouterr().err


def test_a_cascade_that_cannot_be_written_is_kept_elsewhere(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    save = checkpoint.save
    failed: list[Path] = []

    def full(cascade: Cascade, folder: Path) -> None:
        if not failed:
            failed.append(folder)
            raise OSError(errno.ENOSPC, "No space left on device")
        save(cascade, folder)

    monkeypatch.setattr(checkpoint, "save", full)

    assert 2 == train("Net")

    said = capsys.readouterr().err
    found = re.search(
        r"the trained cascade could not be written to run: got \[Errno 28\] No space left on "
        r"device\. It is kept in (\S+): move it to where there is room\.",
        said,
    )
    assert found is not None
    assert checkpoint.load(Path(found[1]), OWNERS)[0].spec.backbone.name == "ownnet:Net"
    assert not Path("run").exists()


def test_a_trained_backbone_is_kept_if_its_branches_fail(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    assert 2 == train("Net", "--attach", "one", "--lr", "1e12")

    said = capsys.readouterr().err
    found = re.search(
        r"the backbone is trained, the branches are not: got the loss .*\. The backbone is kept: "
        r"go on with --weights (\S+)\.",
        said,
    )
    assert found is not None
    assert 0 == train("Net", "--attach", "one", "--weights", found[1])


def test_chance_is_warned_of_on_the_test_part_too(capsys: pytest.CaptureFixture[str]) -> None:
    save_npz(Path("w.npz"), tensors(build(BackboneSpec("ownnet:Chance", 4), OWNERS)))
    assert 0 == train("Chance", "--attach", "one", "--weights", "w.npz")
    capsys.readouterr()

    assert 0 == main(["evaluate", "run", "--data", "tints.npz", "--allow", "ownnet"])

    assert "WARNING: plain answers " in capsys.readouterr().out
