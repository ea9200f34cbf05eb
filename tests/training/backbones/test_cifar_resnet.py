"""The CIFAR ResNets: known names, sizes and costs."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as functional

from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.backbones.cifar_resnet import ShortcutA
from calexnet.training.flops import macs_of

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
