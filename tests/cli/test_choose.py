"""``calexnet choose`` from images to a bundle that is loaded; and what it refuses at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import calexnet
from calexnet.choosing import choice, deciding, finalists, models, rounds
from calexnet.choosing.deciding import Effort
from calexnet.choosing.pool import Exit
from calexnet.cli import main
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.training.backbone import train_backbone
from calexnet.training.spec import BackboneTraining
from tests.support.small_cascade import save_npz, small_data


def npz(folder: Path, samples: Dataset) -> Path:
    path = folder / "tints.npz"
    save_npz(
        path,
        {
            "images": samples.images,
            "labels": samples.labels,
            "classes": np.array(samples.classes),
        },
    )
    return path


def command(data: Path, out: Path, *words: str) -> list[str]:
    return [
        *("choose", "resnet8", "--data", str(data), "--out", str(out), "--effort", "quick"),
        *("--backbone-epochs", "4", "--minimise", "macs", "--max-drop", "20", *words),
    ]


@pytest.fixture(scope="module")
def short() -> Iterator[None]:
    """Let a choice be one of few networks, and measured for a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(deciding.EFFORTS, "quick", Effort(("strided",), 1.0, 1.0, ()))
        patch.setattr(rounds, "CASCADES", 1)
        patch.setattr(rounds, "OTHERS", 1)
        patch.setattr(rounds, "MOST", 1)
        patch.setattr(finalists, "BUDGETS", (0.5,))
        yield


@pytest.fixture(scope="module")
def chosen(tmp_path_factory: pytest.TempPathFactory, short: None) -> Path:
    """Return the folder with images and the choice that was made on them."""
    folder = tmp_path_factory.mktemp("choose")
    assert 0 == main(command(npz(folder, small_data()), folder / "choice"))
    return folder


@pytest.mark.slow
def test_the_choice_is_a_bundle_its_facts_and_a_page(chosen: Path) -> None:
    found = choice.read(chosen / "choice")
    samples = small_data()
    rows = divide(samples, 0).indices["test"]

    network = calexnet.load(chosen / "choice" / choice.BUNDLE)
    right = network(samples.images[rows]).labels == samples.labels[rows]

    best, plain = found.winner, found.plain
    assert best.standing in ("passed", "reference")
    # The certificate is of the very bundle that is shipped.
    harmed = plain_right(chosen, found, rows) & ~right
    assert best.test.harmed == harmed.sum()
    assert best.objective == min(
        one.objective for one in found.contenders if one.standing in ("passed", "reference")
    )
    assert plain.objective == found.networks[-1].macs
    assert (chosen / "choice" / choice.HTML).read_text("utf-8").startswith("<!DOCTYPE html>")
    assert {"bundle", "choice.json", "choice.html"} == {
        path.name for path in (chosen / "choice").iterdir()
    }


def plain_right(folder: Path, found: choice.Choice, rows: np.ndarray) -> np.ndarray:
    """Return which test images the network answers rightly, as the run with its weights does."""
    from calexnet.training import checkpoint

    samples = small_data()
    run, _ = checkpoint.load(folder / "choice.pool" / found.reference / "strided")
    labels = run.answer(samples.images[rows]).labels[-1]
    right: np.ndarray = labels == samples.labels[rows]
    return right


@pytest.mark.slow
def test_another_choice_takes_what_was_trained_and_says_by_what_it_misses_a_limit(
    chosen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], short: None
) -> None:
    pool = chosen / "choice.pool"
    before = {path: path.stat().st_mtime_ns for path in pool.rglob("*.json")}
    words = ("--pool", str(pool), "--require", "size_mib<=0.001")

    code = main(command(chosen / "tints.npz", tmp_path / "again", *words))

    assert 2 == code
    assert before == {path: path.stat().st_mtime_ns for path in pool.rglob("*.json")}
    assert "nothing keeps the limits: got size_mib<=0.001: 0." in capsys.readouterr().err
    assert [] == [*tmp_path.iterdir()]


def test_too_few_images_are_told_at_once_with_how_many_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = npz(tmp_path, small_data())

    assert 2 == main([*command(data, tmp_path / "out"), "--max-drop", "1"])

    said = capsys.readouterr().err
    assert "the test part is too small for any certificate: got 95 images, to certify" in said
    assert "at most 1 points; expected at least 299 images" in said
    assert not (tmp_path / "out.pool").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--require", "speed<8"), "unknown metric: got 'speed'"),
        (("--max-class-drop", "pink=2"), "no class of this name: got 'pink'; expected one of red"),
        (("--weights", "a.npz", "--weights", "b.npz"), "weights without a backbone: got b.npz"),
        (
            ("--costs", "board.json"),
            "costs from elsewhere tell mean times alone: got --mini",
        ),
    ],
)
def test_what_cannot_be_asked_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    data = npz(tmp_path, small_data())

    assert 2 == main(command(data, tmp_path / "out", *words))
    assert told in capsys.readouterr().err


def test_one_class_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    samples = small_data(40)
    save_npz(
        tmp_path / "one.npz",
        {"images": samples.images, "labels": samples.labels * 0, "classes": np.array(["red"])},
    )

    assert 2 == main(command(tmp_path / "one.npz", tmp_path / "out"))
    assert "there is nothing to tell apart: got one class, red" in capsys.readouterr().err


class Slim(nn.Module):
    """Two strided convolutions of some width, and a layer."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, width, 3, 1, 1), nn.Conv2d(width, width, 3, 2, 1)
        self.fc = nn.Linear(16 * width, 4)

    def forward(self, images: Tensor) -> Tensor:
        x = torch.relu(self.two(torch.relu(self.one(images))))
        logits: Tensor = self.fc(x.flatten(1))
        return logits


def onnx_file(path: Path, width: int) -> Path:
    """Write a network that was trained on the tints, and takes them normalised by a half."""
    samples = small_data()
    rows = divide(samples, 0).indices["train"]
    torch.manual_seed(0)
    network = Slim(width)
    preprocessing = Preprocessing(8, 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    plan = BackboneTraining(epochs=6, peak_lr=0.05)
    train_backbone(network, samples.images[rows], samples.labels[rows], preprocessing, plan)
    example = (torch.zeros(1, 3, 8, 8),)
    torch.onnx.export(network.eval(), example, path, dynamo=False, opset_version=13)
    return path


@pytest.mark.slow
def test_of_two_onnx_files_the_last_one_is_what_accuracy_is_held_against(
    tmp_path: Path, short: None
) -> None:
    files = [onnx_file(tmp_path / f"{name}.onnx", w) for name, w in (("small", 4), ("large", 24))]
    data, out = npz(tmp_path, small_data()), tmp_path / "choice"
    half = ["--mean", "0.5,0.5,0.5", "--std", "0.5,0.5,0.5"]

    assert 0 == main(["choose", *map(str, files), *command(data, out)[2:], *half])

    found = choice.read(out)
    assert "large" == found.reference
    assert ["small", "large"] == [one.name for one in found.networks]
    assert (Exit("large"),) == found.contenders[0].chain
    assert "reference" == found.contenders[0].standing
    assert (Exit("small"), Exit("large")) in [one.chain for one in found.contenders]
    assert found.contenders[0].objective == found.networks[-1].macs
    assert 4 == len(calexnet.load(out / choice.BUNDLE)(small_data().images[:4]).labels)


def test_test_images_that_were_trained_on_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Recognised by their pixels, whatever they are called."""
    samples = small_data()
    parts = divide(samples, 0).indices
    images = samples.images.copy()
    images[parts["test"][:5]] = images[parts["train"][:5]]
    data = npz(tmp_path, replace(samples, images=images))

    assert 2 == main(command(data, tmp_path / "out"))

    said = capsys.readouterr().err
    assert "images of the test part were trained on: got 5 of 95, pixel for pixel" in said


def test_how_long_it_takes_is_told_before_anything_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*given: object) -> None:
        raise InputError("stopped")

    monkeypatch.setattr(models, "opened", stop)

    assert 2 == main(command(npz(tmp_path, small_data()), tmp_path / "out"))

    said = capsys.readouterr().err
    assert re.search(
        r"about \d+ min in all: training \d+ s, building \d+ s, measuring \d+ s\n", said
    )
    assert not (tmp_path / "out").exists()
