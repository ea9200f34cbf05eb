"""How a model that was named is opened: an ONNX file is asked how it reads pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calexnet.choosing.making import Ground
from calexnet.choosing.models import _read
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.export.intake.taking import take
from tests.export.intake.test_readings import IMAGES, TRUTH, by_brightness


def test_an_onnx_file_is_fed_as_it_answers_best_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the data's own mean and std a network of 0..1 once kept three quarters of its accuracy."""
    images, truth = np.tile(IMAGES, (30, 1, 1, 1)), np.tile(TRUTH, 30)
    noise = np.random.default_rng(0).integers(0, 9, images.shape, dtype=np.uint8)
    keys = tuple(map(str, range(len(images))))
    samples = Dataset("greys", images + noise, truth, ("dark", "light"), keys)
    ground = Ground(samples, divide(samples, 0, None), tmp_path)
    path = by_brightness(134.0, tmp_path / "model.onnx")

    mean, std = _read(take(path, IMAGES), path, ground)

    assert ((0.0,) * 3, (1 / 255,) * 3) == (mean, std)
    told = capsys.readouterr().err
    trained = len(ground.split.indices["train"])
    assert told.startswith(
        f"model.onnx: a pixel is read as 0..255, by which {trained} of {trained} training images "
        "are answered rightly (as the data's own mean and std "
    )
    assert told.endswith("; --mean and --std say it otherwise\n")
