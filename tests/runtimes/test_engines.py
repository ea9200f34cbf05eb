"""What every runtime's engine does alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from calexnet.bundle import open_bundle
from calexnet.errors import EngineError
from calexnet.runtimes.engines.base import Engine
from calexnet.runtimes.loading import load_runner
from tests.runtimes.conftest import TARGETS
from tests.support.onnx_bundle import CLASSES, random_images

BARS = np.full(len(CLASSES), 0.5, np.float32)


@pytest.fixture(scope="module", params=TARGETS)
def engine(request: pytest.FixtureRequest, hand_made_tflite: Path) -> Engine:
    """The first segment on every runtime."""
    return load_runner(open_bundle(hand_made_tflite), request.param, threads=1).engines[0]


@pytest.mark.parametrize("count", [1, 2, 33])
def test_an_engine_gives_what_it_is_asked_for_in_that_order(engine: Engine, count: int) -> None:
    exits, probabilities, layer1, score = engine.run(
        {"image": random_images(count), "threshold": BARS},
        ("exit", "probabilities", "layer1", "score"),
    )

    assert [np.bool_, np.float32, np.float32] == [exits.dtype, probabilities.dtype, layer1.dtype]
    assert [(count,), (count, 4), (count, 4, 4, 4)] == [
        exits.shape,
        probabilities.shape,
        layer1.shape,
    ]
    assert np.array_equal(probabilities.max(axis=1), score)
    assert np.array_equal(score >= 0.5, exits)


@pytest.mark.parametrize("count", [1, 4])
def test_each_call_reads_its_own_images_and_thresholds(engine: Engine, count: int) -> None:
    for seed in range(4):
        images = random_images(count, seed)
        for bar in (0.3, 0.6, 0.9):
            bars = np.full(len(CLASSES), bar, np.float32)

            score, leaves = engine.run({"image": images, "threshold": bars}, ("score", "exit"))

            assert np.array_equal(score >= np.float32(bar), leaves)


@pytest.mark.parametrize("count", [1, 2])
def test_a_call_that_the_runtime_refuses_is_told_and_the_next_one_works(
    engine: Engine, count: int
) -> None:
    images = random_images(count)
    wanted = engine.run({"image": images, "threshold": BARS}, ("label",))[0].tolist()
    small = np.zeros((count, 5, 5, 3), np.uint8)

    message = (
        rf"^{engine.target} failed in segment1: got .* for image \({count}, 5, 5, 3\), threshold"
    )
    for _ in range(3):
        with pytest.raises(EngineError, match=rf"(?s){message}"):
            engine.run({"image": small, "threshold": BARS}, ("label",))

    assert wanted == engine.run({"image": images, "threshold": BARS}, ("label",))[0].tolist()
