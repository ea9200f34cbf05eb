"""The CIFAR ResNets: known names, sizes, costs and, given their weights, accuracy."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray

from calexnet.backbones import BackboneSpec, build
from calexnet.backbones.cifar_resnet import ShortcutA
from calexnet.checkpoint import load_weights
from calexnet.export.flops import macs_of
from calexnet.preprocessing import Preprocessing

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def names(blocks: int) -> set[str]:
    """Return the tensors' names in akamaster's checkpoints."""
    expected = {"conv1.weight", "linear.weight", "linear.bias", *(f"bn1.{n}" for n in NORM)}
    for layer in (1, 2, 3):
        for block in range(blocks):
            for half in (1, 2):
                where = f"layer{layer}.{block}"
                expected.add(f"{where}.conv{half}.weight")
                expected |= {f"{where}.bn{half}.{n}" for n in NORM}
    return expected


@pytest.mark.parametrize(
    ("name", "blocks", "parameters", "macs"),
    [
        ("resnet8", 1, 75_290, 12_239_488),
        ("resnet20", 3, 269_722, 40_551_040),
        ("resnet56", 9, 853_018, 125_485_696),
    ],
)
def test_names_parameters_and_macs_are_the_published_ones(
    name: str, blocks: int, parameters: int, macs: int
) -> None:
    network = build(BackboneSpec(name, 10))

    assert names(blocks) == set(network.state_dict())
    assert parameters == sum(p.numel() for p in network.parameters())
    assert macs == macs_of(network, torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize("size", [(8, 8), (7, 5), (1, 2)])
def test_an_option_a_shortcut_skips_pixels_and_pads_channels(size: tuple[int, int]) -> None:
    x = torch.randn(2, 4, *size)

    expected = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 2, 2))
    assert torch.equal(expected, ShortcutA(4)(x))


def test_an_odd_number_of_new_channels_is_padded_whole() -> None:
    padded = ShortcutA(3)(torch.ones(1, 2, 2, 2))

    assert [0, 1, 1, 0, 0] == padded.flatten().tolist()


def cifar10_test_part(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the 10,000 test images, stored as differences of pixels and of colours."""
    with np.load(path) as arrays:
        difference, labels = arrays["d_test"], arrays["y_test"].astype(np.int64)
    planes = np.cumsum(np.cumsum(difference, 2, dtype=np.uint8), 3, dtype=np.uint8)
    green = planes[:, 0]
    return np.stack([planes[:, 1] + green, green, planes[:, 2] + green], -1), labels


@pytest.mark.slow
@pytest.mark.data
def test_resnet20_reproduces_its_accuracy_on_cifar10() -> None:
    folder = os.environ.get("CALEXNET_DATA")
    if folder is None:
        pytest.skip("CALEXNET_DATA does not name the folder of the CIFAR files")
    weights, images = (Path(folder, f"{n}.npz") for n in ("w_cifar10_resnet20", "cifar10_20k"))
    if not (weights.is_file() and images.is_file()):
        pytest.skip(f"{folder} holds no {weights.name} with {images.name}")
    network = build(BackboneSpec("resnet20", 10))
    load_weights(network, weights)
    network.eval()
    x, truth = cifar10_test_part(images)
    preprocessing = Preprocessing(32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    with torch.inference_mode():
        answers = [
            network(torch.from_numpy(preprocessing.normalise(x[i : i + 250]))).argmax(1).numpy()
            for i in range(0, len(x), 250)
        ]

    assert 9173 == int((np.concatenate(answers) == truth).sum())
