"""``calexnet predict``: a line for every image."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

import calexnet
from calexnet.cli import main
from calexnet.data import npz
from tests.support.onnx_bundle import (
    CLASSES,
    LOOSE,
    STRICT,
    random_images,
    sample_data,
    write_bundle,
)

LINE = re.compile(
    r"(?P<image>.+?)  +(?P<label>\w+) +(?P<score>\d\.\d{3}) +(?P<exit>\d \(\w+\)) +\d+\.\d{3} ms"
)
EXITS = {1: "1 (layer1)", 2: "2 (layer2)", 3: "3 (backbone)"}
Row = tuple[str, str, str, str]


def rows(capsys: pytest.CaptureFixture[str]) -> list[Row]:
    """Return image, label, score and exit of every line but the head."""
    head, *lines = capsys.readouterr().out.splitlines()
    assert ["image", "label", "score", "exit", "time"] == head.split()
    found = [LINE.fullmatch(line) for line in lines]
    assert None not in found, lines
    return [(m["image"], m["label"], m["score"], m["exit"]) for m in found if m]


def expected(bundle: Path, names: list[str], images: list[np.ndarray], point: str) -> list[Row]:
    cascade = calexnet.load(bundle, operating_point=point)
    results = [cascade(image[None]) for image in images]
    return [
        (name, CLASSES[r.labels[0]], f"{r.scores[0]:.3f}", EXITS[int(r.exits[0])])
        for name, r in zip(names, results, strict=True)
    ]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("predict") / "bundle"
    write_bundle(folder)
    return folder


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of `bundle`, as a file."""
    path = tmp_path_factory.mktemp("data") / "squares.npz"
    npz.save(sample_data(), path)
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> list[str]:
    """Twelve images of the right size."""
    paths = [str(tmp_path / f"{index}.png") for index in range(12)]
    for path, image in zip(paths, random_images(12), strict=True):
        PIL.Image.fromarray(image).save(path)
    return paths


@pytest.mark.parametrize("point", ["margin-0.05", LOOSE, STRICT])
def test_image_files_are_answered_one_by_one(
    bundle: Path, pictures: list[str], point: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["predict", str(bundle), *pictures, "--operating-point", point, "--threads", "1"]

    assert 0 == main(words)

    assert expected(bundle, pictures, list(random_images(12)), point) == rows(capsys)


@pytest.mark.parametrize(
    ("more", "indices"), [([], [0]), (["--index", "7"], [7]), (["--index", "9,3,119"], [9, 3, 119])]
)
def test_images_of_a_data_set_are_named_with_their_truth(
    bundle: Path,
    squares: Path,
    more: list[str],
    indices: list[int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = sample_data()

    assert 0 == main(["predict", str(bundle), "--data", str(squares), *more])

    names = [f"{squares}[{i}], in truth {CLASSES[data.labels[i]]}" for i in indices]
    images = [data.images[i] for i in indices]
    assert expected(bundle, names, images, "margin-0.05") == rows(capsys)


def test_a_bundle_of_normalised_images_answers_the_same(
    bundle: Path, pictures: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_bundle(tmp_path / "float", input="float")
    found = []
    for folder in (bundle, tmp_path / "float"):
        assert 0 == main(["predict", str(folder), *pictures])
        found.append(rows(capsys))

    assert found[0] == found[1]


def test_an_image_of_another_size_is_refused_or_brought_to_size(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "wide.png"
    picture = PIL.Image.fromarray(np.tile(random_images(1)[0], (2, 3, 1)))
    picture.save(path)

    assert 2 == main(["predict", str(bundle), str(path)])
    assert (
        f"calexnet predict: error: {path} does not fit this cascade: got 24x16 pixels; "
        "expected 8x8. Bring it to size first, or add --resize.\n"
    ) == capsys.readouterr().err

    assert 0 == main(["predict", str(bundle), str(path), "--resize"])
    small = np.asarray(picture.resize((8, 8), PIL.Image.Resampling.BILINEAR))
    assert expected(bundle, [str(path)], [small], "margin-0.05") == rows(capsys)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ([], 2, "error: nothing to answer, or two kinds of it: expected either image files or --"),
        (["a.png", "--data", "digits"], 2, "error: nothing to answer, or two kinds of it: expect"),
        (["nowhere.png"], 2, "error: cannot read nowhere.png as an image: got "),
        (["--data", "nowhere"], 2, "error: unknown data set: got 'nowhere'"),
        (["--data", "SQUARES", "--index", "120"], 2, "has no such image: got 120; expected 0 to 1"),
        (["--data", "SQUARES", "--index", "-1"], 2, "has no such image: got -1; expected 0 to 119"),
        (["--data", "SQUARES", "--index", "x"], 2, "error: argument --index: "),
        (["--data", "SQUARES", "--index", "1.5"], 2, "error: argument --index: "),
        (["--data", "SQUARES", "--index", "inf"], 2, "error: argument --index: "),
        (["--data", "SQUARES", "--provider", "gpu"], 2, "error: unknown provider: got 'gpu'; exp"),
        (["--data", "SQUARES", "--threads", "0"], 2, "error: threads cannot be used: got 0; expec"),
        (["--data", "SQUARES", "--target", "x"], 2, "error: unknown target: got 'x'; expected on"),
        (["--data", "SQUARES", "--operating-point", "x"], 2, "error: unknown operating point: go"),
        (["--data", "digits"], 2, "fit this cascade: got "),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(
    bundle: Path,
    squares: Path,
    more: list[str],
    code: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = [str(squares) if word == "SQUARES" else word for word in more]
    try:
        found: object = main(["predict", str(bundle), *words])
    except SystemExit as refusal:
        found = refusal.code

    line = capsys.readouterr().err.splitlines()[-1]
    assert code == found
    assert line.startswith("calexnet predict: error: ")
    assert message in line
