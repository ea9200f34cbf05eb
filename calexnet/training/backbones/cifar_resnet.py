"""ResNets for 32x32 images (He et al. 2016, section 4.2), option-A shortcuts. Needs torch.

Parameter names are those of the widely used CIFAR-10 checkpoints (``layer1.0.conv1.weight``,
``linear.weight``), so that such weights load as they are.
"""

from __future__ import annotations

import torch.nn.functional as functional
from torch import Tensor, nn


class ShortcutA(nn.Module):
    """Halve the resolution by skipping pixels, and pad the new channels with zeros."""

    def __init__(self, extra: int) -> None:
        super().__init__()
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, C + extra, H/2, W/2)`` for ``(n, C, H, W)``."""
        half = self.extra // 2
        # Pooling one pixel with stride 2 is x[:, :, ::2, ::2], and quicker in every runtime.
        skipped = functional.max_pool2d(x, kernel_size=1, stride=2)
        return functional.pad(skipped, (0, 0, 0, 0, half, self.extra - half))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.shortcut = nn.Identity() if stride == 1 else ShortcutA(outputs - inputs)

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(n, outputs, H/stride, W/stride)`` for ``(n, inputs, H, W)``."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.shortcut(x))


class CifarResNet(nn.Module):
    """Three stages of 16, 32 and 64 channels; 6 x `blocks` + 2 weighted layers."""

    any_strides = True

    def __init__(self, blocks: int, classes: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(n, classes)`` for float32 ``(n, 3, H, W)``."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        logits: Tensor = self.linear(x.mean((2, 3)))
        return logits


def _stage(inputs: int, outputs: int, blocks: int, stride: int) -> nn.Sequential:
    first = BasicBlock(inputs, outputs, stride)
    return nn.Sequential(first, *(BasicBlock(outputs, outputs, 1) for _ in range(blocks - 1)))


def resnet8(classes: int) -> nn.Module:
    """Return a ResNet-8: 12.2 M MACs at 32x32."""
    return CifarResNet(1, classes)


def resnet20(classes: int) -> nn.Module:
    """Return a ResNet-20."""
    return CifarResNet(3, classes)


def resnet56(classes: int) -> nn.Module:
    """Return a ResNet-56."""
    return CifarResNet(9, classes)
