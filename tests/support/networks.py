"""Two classifiers in ONNX files that really tell classes apart, one smaller than the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.onnx_models import Writer, tensor

CLASSES = ("dark", "left", "right", "bright")
SIDE = 8


def images(count: int, seed: int = 0) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return noisy images uint8 ``(n, 8, 8, 3)`` whose class says which halves are bright."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    level = np.full((count, SIDE, SIDE, 3), 90.0)
    level[(labels == 1) | (labels == 3), :, : SIDE // 2] += 60
    level[(labels == 2) | (labels == 3), :, SIDE // 2 :] += 60
    noisy = level + random.normal(0, 70, level.shape)
    return noisy.clip(0, 255).astype(np.uint8), labels.astype(np.int64)


def write_data(path: Path, count: int = 400) -> Path:
    """Write such images as a data set."""
    pixels, labels = images(count)
    np.savez(path, images=pixels, labels=labels, classes=np.array(CLASSES))
    return path


def write_network(
    path: Path,
    side: int = SIDE,
    *,
    copies: int = 1,
    seed: int = 0,
    noise: float = 0.0,
    most: float = 1.0,
) -> Path:
    """Write a classifier for pixels of 0 to `most`, which sums up what each half has.

    Args:
        path: Of the file.
        side: Of the images that it takes.
        copies: How many channels it computes with: more cost more.
        seed: Of its weights.
        noise: In its weights: more make it worse.
        most: What white is.
    """
    random, write = np.random.default_rng(seed), Writer()
    weights = np.zeros((2 * copies, 3, 1, 1), np.float32) + np.float32(1 / most)
    weights += random.normal(0, noise / most, weights.shape).astype(np.float32)
    value = write.add("Conv", "pixels", write.hold("mix", weights), to="mixed")
    value = write.add("Relu", value, to="lit")
    halves = [side, side // 2]
    value = write.add("AveragePool", value, to="halves", kernel_shape=halves, strides=halves)
    value = write.add("Flatten", value, to="flat")
    # Each channel gives left and right; a class is as likely as its pattern is like that.
    pattern = np.array([[-1, 1, -1, 1], [-1, -1, 1, 1]], np.float32)
    dense = np.tile(pattern, (2 * copies, 1)) * np.float32(12 / (2 * copies))
    value = write.add("MatMul", value, write.hold("dense", dense), to="product")
    bias = -dense.sum(0) * np.float32(3 * 120 / 255)
    value = write.add("Add", value, write.hold("bias", bias), to="scores")
    model = write.model(
        [tensor("pixels", ["N", 3, side, side])], [tensor(value, ["N", len(CLASSES)])]
    )
    path.write_bytes(model.SerializeToString())
    return path
