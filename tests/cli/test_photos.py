"""Photos as people have them, from a folder to an app's answer."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

import calexnet
from calexnet import data
from calexnet.bundle import open_bundle
from calexnet.cli import main
from calexnet.cli.export import main as export
from calexnet.data import npz
from calexnet.images.resizing import Resize

SIZE = "shorter:20,crop:16"
ORIENTATION = 0x0112


def photo(number: int, bright: bool) -> NDArray[np.uint8]:
    """Return a picture of a size of its own: a gradient, and noise."""
    random = np.random.default_rng(number)
    height, width = random.integers(18, 60, 2)
    level = (150 if bright else 20) + np.linspace(0, 60, width)[None, :, None]
    noise = random.integers(0, 40, (height, width, 3))
    return (level + noise).astype(np.uint8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two parts of two classes, JPEGs and PNGs of unlike sizes, one turned, one damaged."""
    root = tmp_path_factory.mktemp("photos")
    for number in range(48):
        part, bright = ("train", "val")[number % 4 == 3], number % 2 == number // 24 % 2
        path = (
            root / part / ("dark", "light")[bright] / f"{number}.{('png', 'jpg')[number % 3 > 0]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        exif = PIL.Image.Exif()
        if number == 3:
            exif[ORIENTATION] = 6
        PIL.Image.fromarray(photo(number, bright)).save(path, exif=exif)
    (root / "train" / "dark" / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    (root / "train" / "dark" / "old.tif").write_bytes(b"II")
    (root / "annotations").mkdir()
    return root


@pytest.fixture(scope="module")
def run(photos: Path) -> Path:
    out = photos.parent / f"{photos.name}-run"
    words = ["train", "--data", str(photos), "--backbone", "resnet8", "--attach", "layer1"]
    words += ["--resize", SIZE, "--skip-bad", "--backbone-epochs", "1", "--epochs", "1"]
    assert 0 == main([*words, "--out", str(out)])
    return out


def test_what_was_read_is_said_and_recorded(
    photos: Path, tmp_path: Path, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", str(photos), "--resize", SIZE, "--skip-bad", "--out", str(tmp_path / "p.NPZ")]
    capsys.readouterr()

    assert 0 == main(words)

    said = [line for line in capsys.readouterr().err.splitlines() if "reading" not in line]
    assert [
        f"{photos.name}: val is the valid part",
        f"{photos.name}: left out, for it is no image: 1 .tif, 1 folder annotations",
        f"{photos.name}: left out, for it cannot be read: train/dark/cut.jpg",
        f"{photos.name}: 1 image turned as EXIF says",
        f"{photos.name}: images brought to {SIZE}",
    ] == said
    record = json.loads((run / "cascade.json").read_text())["cascade"]
    assert {"height": 16, "width": 16, "shorter": 20} == record["preprocessing"]["resize"]
    assert 1 == record["split"]["parts"]["skipped"]["samples"]
    rule = "train=train calibration=valid[0%:50%] test=valid[50%:100%]"
    assert rule == record["split"]["rule"]
    assert Resize.parse(SIZE) == npz.load(tmp_path / "p.NPZ").resize


def test_photos_are_refused_with_what_to_add(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data", str(photos), "--out", str(tmp_path / "p.npz")]

    assert 2 == main(words)
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        f"calexnet data: error: cannot read 1 of 49 images in {photos}: got trai"
    )
    assert line.endswith("leave them out with --skip-bad, of calexnet train or calexnet data.")
    assert 2 == main([*words, "--skip-bad"])
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(
        f"calexnet data: error: the images of {photos} are of unlike sizes: got "
    )
    with pytest.raises(SystemExit):
        main([*words, "--resize", "big"])
    assert "cannot read the size: got 'big'; expected N | WxH | sh" in capsys.readouterr().err


@pytest.mark.slow
def test_the_same_photos_mean_the_same_from_the_folder_to_the_app(
    photos: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "bundle"
    assert 0 == export([str(run), "--target", "onnxruntime", "--out", str(bundle)])
    assert 0 == main(["evaluate", str(run), "--data", str(photos)])
    assert 0 == main(["verify", str(bundle), "--data", str(photos)])
    content = open_bundle(bundle).manifest
    way = content.preprocessing.resize
    assert Resize.parse(SIZE) == way

    read = data.load_alike(str(photos), None, content.preprocessing, content.split)
    turned = next(row for row, key in enumerate(read.keys) if key.endswith("/3.png"))
    path = next(photos.rglob("3.png"))
    upright = photo(3, False).transpose(1, 0, 2)[:, ::-1]
    cascade = calexnet.load(bundle)
    batch = cascade.resize([upright, photo(5, True)])

    assert np.array_equal(read.images[turned], batch[0])
    result = cascade(batch)
    capsys.readouterr()
    assert 0 == main(["predict", str(bundle), str(path)])
    out, err = capsys.readouterr()
    told = [line for line in err.splitlines() if "never exits early" not in line]
    assert [f"{path}: turned as its EXIF says"] == told
    label, score = out.splitlines()[1].removeprefix(str(path)).split()[:2]
    assert content.classes[result.labels[0]] == label
    assert float(score) == pytest.approx(float(result.scores[0]), abs=2e-3)
    assert 0 == main(["predict", str(bundle), "--data", str(photos), "--index", str(turned)])
    assert label == capsys.readouterr().out.splitlines()[1].split("in truth")[1].split()[1]
