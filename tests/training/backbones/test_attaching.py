"""Places for branches on a network that nobody here knows."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.training.backbones import BackboneSpec, build
from calexnet.training.backbones.attaching import propose
from calexnet.training.backbones.frozen import FrozenBackbone

IMAGES = torch.zeros(2, 3, 16, 16)


def block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.ReLU())


class Wrapped(nn.Module):
    """A network as libraries nest it; one path passes by the second block."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(block(3, 8), block(8, 8), block(8, 8), block(8, 8))
        self.fc = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        one = self.features[0](x)
        y = self.features[3](self.features[2](self.features[1](one) + one))
        out: Tensor = self.fc(y.mean((2, 3)))
        return out


def names(network: nn.Module) -> list[str]:
    return [place.name for place in propose(network.eval(), IMAGES)]


@pytest.mark.slow
def test_a_residual_network_gets_its_stages() -> None:
    assert ["layer1", "layer2"] == names(build(BackboneSpec("resnet20", 10)))[:2]


def test_the_work_up_to_a_place_is_its_share_of_the_macs() -> None:
    # 3x3 convolutions of 3, 8, 8, 8 to 8 channels: 3/27 of the work, then 8/27 each.
    network = nn.Sequential(
        *(block(inputs, 8) for inputs in (3, 8, 8, 8)), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )

    places = propose(network, IMAGES)

    assert ["0", "1", "2"] == [place.name for place in places]
    assert [3 / 27, 11 / 27, 19 / 27] == pytest.approx([place.work for place in places])


def test_no_place_has_a_path_around_it() -> None:
    assert ["features.0", "features.2"] == names(Wrapped())


def test_what_is_proposed_can_be_attached_to() -> None:
    network = Wrapped()

    FrozenBackbone(network, names(network)).check((3, 16, 16), 2)


@pytest.mark.parametrize(
    "network",
    [nn.Sequential(nn.Flatten(), nn.Linear(768, 2)), nn.Sequential(nn.AdaptiveAvgPool2d(1))],
    ids=["no maps", "no work"],
)
def test_a_network_without_a_map_on_the_way_gets_none(network: nn.Module) -> None:
    assert [] == names(network)


def test_a_network_that_raises_is_told() -> None:
    with pytest.raises(
        InputError, match=r"^the backbone does not fit the data: got RuntimeError: "
    ):
        propose(nn.Linear(5, 2), IMAGES)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_network_that_cannot_be_listened_to_is_told() -> None:
    with pytest.raises(InputError, match=r"got a RecursiveScriptModule of torch\.jit, whose modul"):
        propose(torch.jit.script(nn.Sequential(block(3, 8))), IMAGES)
