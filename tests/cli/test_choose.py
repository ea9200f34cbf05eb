"""``calexnet choose`` from images to a bundle that is loaded; and what it refuses at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.choosing import choice, deciding, finalists, rounds
from calexnet.choosing.deciding import Effort
from calexnet.cli import main
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
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
        patch.setitem(deciding.EFFORTS, "quick", Effort(("strided",), 1.0, ()))
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
