"""Narrow networks: what they cost is what was asked for, and a little less."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from calexnet.errors import InputError
from calexnet.training import flops
from calexnet.training.backbones import narrow


@pytest.mark.parametrize("blocks", [1, 2])
def test_a_narrow_resnet_costs_what_its_layers_add_up_to(blocks: int) -> None:
    one, two, three, side, classes = 4, 9, 18, 8, 5
    network = narrow.Shape("resnet", (one, two, three), blocks).build(3, classes)

    pairs = [(3, one, side), (one, one, side), (one, one, side)]
    pairs += [(one, one, side)] * 2 * (blocks - 1)
    pairs += [(one, two, side // 2), (two, two, side // 2)]
    pairs += [(two, two, side // 2)] * 2 * (blocks - 1)
    pairs += [(two, three, side // 4), (three, three, side // 4)]
    pairs += [(three, three, side // 4)] * 2 * (blocks - 1)
    expected = sum(9 * a * b * at * at for a, b, at in pairs) + three * classes
    assert expected == flops.macs_of(network, torch.zeros(1, 3, side, side))


@settings(max_examples=12, deadline=None)
@given(st.integers(200_000, 60_000_000), st.sampled_from([(3, 32, 32), (1, 28, 28)]))
def test_a_resnet_costs_what_was_asked_for(macs: int, image: tuple[int, int, int]) -> None:
    shape, found = narrow.sized(image, 10, macs)

    assert "resnet" == shape.family
    assert (1 - narrow.TOLERANCE) * macs <= found <= macs
    network = shape.build(image[0], 10).eval()
    assert found == flops.macs_of(network, torch.zeros(1, *image))
    assert (2, 10) == tuple(network(torch.zeros(2, *image)).shape)


@pytest.mark.slow
@pytest.mark.parametrize("macs", [20_000_000, 180_000_000])
def test_large_images_get_a_mobile_network(macs: int) -> None:
    shape, found = narrow.sized((3, 224, 224), 10, macs)

    assert "mobilenet" == shape.family
    assert (1 - narrow.TOLERANCE) * macs <= found <= macs
    network = shape.build(3, 10).eval()
    assert (2, 10) == tuple(network(torch.zeros(2, 3, 224, 224)).shape)


def test_more_is_spent_on_depth_where_it_is_wide_enough() -> None:
    shapes = [narrow.sized((3, 32, 32), 10, macs)[0] for macs in (4_000_000, 41_000_000)]

    assert [1, 3] == [shape.blocks for shape in shapes]


def test_what_no_network_costs_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        InputError,
        match=r"^no narrow network costs so much: got [\d,]+ MACs as the nearest; expected "
        r"95 to 100\. Ask for another --cost\.$",
    ):
        narrow.sized((3, 32, 32), 10, 100)
