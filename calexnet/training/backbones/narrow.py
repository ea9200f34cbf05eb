"""Narrow networks of a given cost: ResNet-like for small images, MobileNet-like for large. Torch.

The first are He et al. 2016, section 4.2, of any width; the second are made of Sandler et al.'s
inverted residuals (MobileNetV2, 2018), their channels times one factor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from calexnet.errors import InputError
from calexnet.training import flops
from calexnet.training.backbones.cifar_resnet import BasicBlock

#: Images up to this side get a ResNet.
SMALL_SIDE = 64
#: A stage is as wide as this before another block a stage is worth more.
_WIDE = 16
_MOST_BLOCKS = 3
#: How far below the wanted cost a network may lie, as a share of it.
TOLERANCE = 0.05

#: Channels, blocks and stride of MobileNetV2's groups behind the first, shortened.
_GROUPS = ((24, 2, 2), (32, 2, 2), (64, 3, 2), (96, 2, 1), (160, 2, 2))
_FIRST, _LAST, _EXPANSION = 16, 640, 4


@dataclass(frozen=True)
class Shape:
    """How wide and deep a narrow network is.

    Attributes:
        family: ``resnet`` or ``mobilenet``.
        widths: Channels of the stem, or of each stage, in running order.
        blocks: In each stage, of a ResNet.
    """

    family: str
    widths: tuple[int, ...]
    blocks: int = 1

    def build(self, channels: int, classes: int) -> nn.Module:
        """Return the network with fresh weights, for images of so many channels."""
        if self.family == "resnet":
            return NarrowResNet(channels, self.widths, self.blocks, classes)
        return NarrowMobileNet(channels, self.widths, classes)


class NarrowResNet(nn.Module):
    """Three stages of any widths that do not fall; the map is halved before the last two."""

    any_strides = True

    def __init__(self, channels: int, widths: tuple[int, ...], blocks: int, classes: int) -> None:
        super().__init__()
        one, two, three = widths
        self.conv1 = nn.Conv2d(channels, one, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(one)
        self.layer1 = _stage(one, one, blocks, stride=1)
        self.layer2 = _stage(one, two, blocks, stride=2)
        self.layer3 = _stage(two, three, blocks, stride=2)
        self.linear = nn.Linear(three, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` for float32 ``(n, C, H, W)``."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


class InvertedResidual(nn.Module):
    """A 1x1 convolution to more channels, a depthwise 3x3, and a 1x1 back without activation."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        inner = _EXPANSION * inputs
        self.body = nn.Sequential(
            *_unit(inputs, inner, 1),
            *_unit(inner, inner, 3, stride, groups=inner),
            nn.Conv2d(inner, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.adds = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, outputs, H/stride, W/stride)`` for ``(n, inputs, H, W)``."""
        y: Tensor = self.body(x)
        return x + y if self.adds else y


class NarrowMobileNet(nn.Module):
    """A stem, five groups of inverted residuals, and a last 1x1 convolution, of any widths."""

    any_strides = True

    def __init__(self, channels: int, widths: tuple[int, ...], classes: int) -> None:
        super().__init__()
        first, *groups, last = widths
        layers: list[nn.Module] = [*_unit(channels, first, 3, stride=2)]
        for width, (_, count, stride) in zip(groups, _GROUPS, strict=True):
            for step in (stride, *(1,) * (count - 1)):
                layers.append(InvertedResidual(first, width, step))
                first = width
        self.body = nn.Sequential(*layers, *_unit(first, last, 1))
        self.linear = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` for float32 ``(n, C, H, W)``."""
        logits: Tensor = self.linear(self.body(x).mean((2, 3)))
        return logits


def sized(image: tuple[int, int, int], classes: int, macs: int) -> tuple[Shape, int]:
    """Return the narrow network that costs most within `macs`, and what it costs.

    Args:
        image: ``(C, H, W)``.
        classes: Number of classes.
        macs: Of one image, at most.

    Raises:
        InputError: Not even the narrowest costs so little, or none comes within `TOLERANCE`.
    """

    def cost(shape: Shape) -> int:
        network = shape.build(image[0], classes)
        return flops.macs_of(network, torch.zeros(1, *image))

    shape = (_resnet if max(image[1:]) <= SMALL_SIDE else _mobilenet)(cost, macs)
    found = cost(shape)
    if not (1 - TOLERANCE) * macs <= found <= macs:
        raise InputError(
            "no narrow network costs so much",
            got=f"{found:,} MACs as the nearest",
            expected=f"{(1 - TOLERANCE) * macs:,.0f} to {macs:,}",
            fix="Ask for another --cost",
        )
    return shape, found


def _resnet(cost: Callable[[Shape], int], macs: int) -> Shape:
    """Return the deepest one that is `_WIDE` still, then its last stage as wide as fits."""

    def plain(width: int, blocks: int) -> Shape:
        return Shape("resnet", (width, 2 * width, 4 * width), blocks)

    deep = [n for n in range(2, _MOST_BLOCKS + 1) if cost(plain(_WIDE, n)) <= macs]
    blocks = max(deep, default=1)
    width = _largest(lambda w: cost(plain(w, blocks)) <= macs)
    one, two, three = plain(width, blocks).widths
    two += _largest(lambda w: cost(Shape("resnet", (one, two + w, three), blocks)) <= macs, 0)
    three += _largest(lambda w: cost(Shape("resnet", (one, two, three + w), blocks)) <= macs, 0)
    return Shape("resnet", (one, two, three), blocks)


def _mobilenet(cost: Callable[[Shape], int], macs: int) -> Shape:
    """Return the one of the largest factor, in hundredths, its last layer as wide as fits."""

    def scaled(hundredths: int) -> Shape:
        channels = (_FIRST, *(width for width, _, _ in _GROUPS), _LAST)
        return Shape("mobilenet", tuple(max(4, round(c * hundredths / 100)) for c in channels))

    shape = scaled(_largest(lambda factor: cost(scaled(factor)) <= macs))
    *groups, last = shape.widths
    last += _largest(lambda w: cost(Shape("mobilenet", (*groups, last + w))) <= macs, 0)
    return Shape("mobilenet", (*groups, last))


def _largest(fits: Callable[[int], bool], least: int = 1) -> int:
    """Return the largest number that fits, `least` if none does; what fits has no gaps."""
    step = 1
    while fits(least + step):
        step *= 2
    low, high = least + step // 2 if step > 1 else least, least + step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)))


def _unit(
    inputs: int, outputs: int, side: int, stride: int = 1, groups: int = 1
) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(
        inputs, outputs, side, stride, padding=side // 2, groups=groups, bias=False
    )
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
