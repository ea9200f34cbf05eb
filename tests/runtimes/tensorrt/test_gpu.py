"""On a machine with a GPU and TensorRT: engines are built, opened and answer as they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import calexnet
from calexnet.errors import RuntimeUnavailableError
from calexnet.export import EngineSettings, export_bundle
from calexnet.runtimes.tensorrt import TensorRt
from tests.support.onnx_bundle import Wiring, random_images, write_bundle

pytestmark = pytest.mark.gpu


@pytest.fixture(autouse=True)
def gpu() -> None:
    """Skip where there is none."""
    try:
        TensorRt().require()
    except RuntimeUnavailableError as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("wiring", ["chain", "skip", "late image"])
def test_the_gpu_answers_as_onnx_runtime_does(tmp_path: Path, wiring: Wiring) -> None:
    write_bundle(tmp_path / "bundle", wiring=wiring)
    export_bundle(tmp_path / "bundle", target="tensorrt", engines=EngineSettings((1, 8)))
    ours, theirs = (
        calexnet.load(tmp_path / "bundle", target=t) for t in ("tensorrt", "onnxruntime")
    )

    for batch in (1, 3, 8, 40):
        images = random_images(batch, seed=batch)
        table, expected = ours.ask_every_exit(images), theirs.ask_every_exit(images)
        np.testing.assert_allclose(table.scores, expected.scores, atol=1e-4)
        # The chain, with its copies on the GPU, against the segments one by one.
        thresholds = np.repeat(np.median(table.scores[:-1], axis=1, keepdims=True) + 1e-3, 4, 1)
        found = ours.with_thresholds(thresholds.astype(np.float32))(images)
        wanted = theirs.with_thresholds(thresholds.astype(np.float32))(images)
        assert wanted.exits.tolist() == found.exits.tolist()
        assert wanted.labels.tolist() == found.labels.tolist()
