"""Trained weights come to the accuracy that they are known for, image by image."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from calexnet.data import load
from calexnet.data.split import divide
from calexnet.images.preprocessing import Preprocessing
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.weights import load_weights

COARSE = Preprocessing(32, 32, (0.50708, 0.48655, 0.44092), (0.26733, 0.25644, 0.27615))
CIFAR10 = Preprocessing(32, 32, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
UNSEEN = "train=train[:45000] calibration=train[45000:] test=test"


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("data", "backbone", "stem", "weights", "preprocessing", "right"),
    [
        (
            *("cifar100-coarse", "resnet18", "3x3+pool", "w_cifar100c_resnet18.npz", COARSE),
            {"test": 6846, "calibration": 3396},
        ),
        ("cifar10", "resnet20", None, "w_cifar10_resnet20.npz", CIFAR10, {"test": 9173}),
        ("cifar10", "resnet56", None, "w_cifar10_resnet56.npz", CIFAR10, {"test": 9339}),
    ],
    ids=["resnet18", "resnet20", "resnet56"],
)
def test_weights_reproduce_their_accuracy(
    data: str,
    backbone: str,
    stem: str | None,
    weights: str,
    preprocessing: Preprocessing,
    right: dict[str, int],
) -> None:
    folder = os.environ.get("CALEXNET_DATA")
    if folder is None:
        pytest.skip("CALEXNET_DATA does not name the folder of the CIFAR files")
    path = Path(folder, weights)
    if not path.is_file():
        pytest.skip(f"{folder} holds no {weights}")
    samples = load(data, Path(folder))
    network = build(BackboneSpec(backbone, len(samples.classes), stem)).eval()
    load_weights(network, path)
    parts = divide(samples, 0, UNSEEN if "calibration" in right else None).indices

    found = dict.fromkeys(right, 0)
    for part in right:
        images, truth = samples.images[parts[part]], torch.from_numpy(samples.labels[parts[part]])
        for start in range(0, len(images), 250):
            inputs = torch.from_numpy(preprocessing.normalise(images[start : start + 250]))
            with torch.inference_mode():
                answers = network(inputs).argmax(1)
            found[part] += int((answers == truth[start : start + 250]).sum())

    assert right == found
