"""ResNet-18 and ResNet-50 (He et al. 2016) with torchvision's parameter names. Needs torch.

The stem suits the image: ``3x3`` keeps the resolution of small images, ``3x3+pool`` halves it,
``7x7+pool`` is the ImageNet stem.
"""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor, nn

from calexnet.errors import InputError

STEMS = ("3x3", "3x3+pool", "7x7+pool")


class BasicBlock(nn.Module):
    """Two 3x3 convolutions."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.downsample = _projection(inputs, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, width, H/stride, W/stride)`` for ``(n, inputs, H, W)``."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; the stride is on the 3x3."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.downsample = _projection(inputs, width * self.expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, 4 * width, H/stride, W/stride)`` for ``(n, inputs, H, W)``."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return functional.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    """A stem, four stages of 64, 128, 256 and 512 channels, a mean and a linear layer."""

    any_strides = True

    def __init__(
        self,
        block: type[BasicBlock] | type[Bottleneck],
        blocks: tuple[int, int, int, int],
        classes: int,
        stem: str,
    ) -> None:
        super().__init__()
        if stem not in STEMS:
            raise InputError("unknown stem", got=repr(stem), expected=f"one of {', '.join(STEMS)}")
        large = stem.startswith("7x7")
        self.conv1 = nn.Conv2d(
            3, 64, 7 if large else 3, 2 if large else 1, padding=3 if large else 1, bias=False
        )
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, 1) if stem.endswith("+pool") else nn.Identity()
        self.layer1 = _stage(block, 64, 64, blocks[0], stride=1)
        self.layer2 = _stage(block, 64 * block.expansion, 128, blocks[1], stride=2)
        self.layer3 = _stage(block, 128 * block.expansion, 256, blocks[2], stride=2)
        self.layer4 = _stage(block, 256 * block.expansion, 512, blocks[3], stride=2)
        self.fc = nn.Linear(512 * block.expansion, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` for float32 ``(n, 3, H, W)``."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        logits: Tensor = self.fc(x.mean((2, 3)))
        return logits


def _stage(
    block: type[BasicBlock] | type[Bottleneck], inputs: int, width: int, count: int, stride: int
) -> nn.Sequential:
    later = (block(width * block.expansion, width, 1) for _ in range(count - 1))
    return nn.Sequential(block(inputs, width, stride), *later)


def _projection(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


def resnet18(classes: int, stem: str = "3x3") -> nn.Module:
    """Return a ResNet-18: 555 M MACs at 32x32 with the ``3x3`` stem."""
    return ResNet(BasicBlock, (2, 2, 2, 2), classes, stem)


def resnet50(classes: int, stem: str = "7x7+pool") -> nn.Module:
    """Return a ResNet-50: 4,089 M MACs at 224x224 with the ``7x7+pool`` stem."""
    return ResNet(Bottleneck, (3, 4, 6, 3), classes, stem)
