"""ResNet-18 and ResNet-50: torchvision's names and the published sizes and costs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from calexnet.errors import InputError
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.backbones.resnet import STEMS
from calexnet.training.flops import macs_of
from tests.support import small_cascade

NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
BLOCKS = {"resnet18": (2, 2, 2, 2), "resnet50": (3, 4, 6, 3)}


def names(name: str) -> set[str]:
    """Return the tensors' names in torchvision's checkpoints."""
    layers = 2 if name == "resnet18" else 3
    pairs = [("conv1", "bn1")]
    for layer, count in enumerate(BLOCKS[name], start=1):
        for block in range(count):
            where = f"layer{layer}.{block}"
            pairs += [(f"{where}.conv{i}", f"{where}.bn{i}") for i in range(1, layers + 1)]
            if block == 0 and (layer > 1 or name == "resnet50"):
                pairs.append((f"{where}.downsample.0", f"{where}.downsample.1"))
    tensors = {f"{conv}.weight" for conv, _ in pairs}
    tensors |= {f"{bn}.{n}" for _, bn in pairs for n in NORM}
    return tensors | {"fc.weight", "fc.bias"}


@pytest.mark.parametrize(
    ("name", "parameters"), [("resnet18", 11_689_512), ("resnet50", 25_557_032)]
)
def test_names_and_parameters_are_torchvisions(name: str, parameters: int) -> None:
    network = build(BackboneSpec(name, 1000, "7x7+pool"))

    assert names(name) == set(network.state_dict())
    assert parameters == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    ("name", "stem", "classes", "side", "million"),
    [
        ("resnet18", None, 20, 32, 555.4),
        ("resnet18", "3x3", 20, 32, 555.4),
        ("resnet18", "3x3+pool", 20, 32, 140.2),
        ("resnet18", "7x7+pool", 1000, 224, 1814.1),
        pytest.param("resnet50", None, 1000, 224, 4089.2, marks=pytest.mark.slow),
    ],
)
def test_macs_of_every_stem(
    name: str, stem: str | None, classes: int, side: int, million: float
) -> None:
    network = build(BackboneSpec(name, classes, stem))

    assert pytest.approx(million, abs=0.05) == macs_of(network, torch.zeros(1, 3, side, side)) / 1e6


def test_three_branches_stand_after_a_quarter_a_half_and_three_quarters_of_resnet18() -> None:
    attach = ("layer1", "layer2", "layer3")

    macs = small_cascade.untrained("resnet18", attach, classes=20, side=32).macs()

    shares = np.cumsum(macs.stages)[:3] / macs.plain * 100
    np.testing.assert_allclose(shares, [27.5, 51.7, 75.8], atol=0.05)
    assert pytest.approx(555.4, abs=0.05) == macs.plain / 1e6


@pytest.mark.parametrize(
    ("stem", "sides"),
    [("3x3", [32, 16, 8, 4]), ("3x3+pool", [16, 8, 4, 2]), ("7x7+pool", [8, 4, 2, 1])],
)
def test_a_stem_sets_the_resolution(stem: str, sides: list[int]) -> None:
    attach = ("layer1", "layer2", "layer3", "layer4")

    cascade = small_cascade.untrained("resnet18", attach, side=32, stem=stem)

    shapes = [branch.head.feature_shape for branch in cascade.branches]
    assert [(c, s, s) for c, s in zip((64, 128, 256, 512), sides, strict=True)] == shapes


def test_an_unknown_stem_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"^unknown stem: got '5x5'; expected one of 3x3, 3x3\+po"):
        build(BackboneSpec("resnet18", 10, "5x5"))
    assert STEMS == ("3x3", "3x3+pool", "7x7+pool")
