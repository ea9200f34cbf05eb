"""What ``make bench`` runs: cascades with random weights, exported to bundles. Needs torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from calexnet import manifest
from calexnet.bundle import open_bundle
from calexnet.calibration import operating_point
from calexnet.data.dataset import Dataset
from calexnet.data.split import divide
from calexnet.export.from_run import export_cascade
from calexnet.export.precisions.cascade import write_narrow
from calexnet.gating import NEVER
from calexnet.images.preprocessing import Preprocessing
from calexnet.registry import Allowed
from calexnet.training.backbones import BackboneSpec
from calexnet.training.cascade import Cascade, build_parts
from calexnet.training.recipe import plan_recipe
from calexnet.training.spec import CascadeSpec, Samples

_CLASSES = 20
_INT8 = "int8"


@dataclass(frozen=True)
class Network:
    """A backbone and where its branches go.

    Attributes:
        name: For the printed lines.
        backbone: As `BackboneSpec` takes it.
        attach: Modules after which branches go.
        side: Pixels of its square images.
        images: How many to make.
        stem: For ResNets.
    """

    name: str
    backbone: str
    attach: tuple[str, ...]
    side: int
    images: int
    stem: str | None = None


_THREE = ("layer1", "layer2", "layer3")
RESNET18 = Network("ResNet-18, 32x32", "resnet18", _THREE, 32, 320)
RESNET18_LARGE = Network("ResNet-18, 224x224", "resnet18", _THREE, 224, 64, stem="7x7+pool")
RESNET8 = Network("ResNet-8, 32x32", "resnet8", ("layer1", "layer2"), 32, 320)
DEPTHWISE = Network(
    "depthwise, 96x96", f"{__name__}:depthwise", ("blocks.2", "blocks.4", "blocks.8"), 96, 320
)


def depthwise(classes: int) -> nn.Module:
    """Return a network of depthwise-separable convolutions, as MobileNet v1 has (2017, table 1).

    At half width and without its last two blocks.
    """
    widths = (16, 32, 64, 64, 128, 128, 256, 256, 256, 256, 256)
    strides = (2, 1, 2, 1, 2, 1, 2, 1, 1, 1, 1)
    stem = _unit(3, widths[0], 3, strides[0])
    blocks = [
        nn.Sequential(_unit(into, into, 3, stride, groups=into), _unit(into, out, 1, 1))
        for into, out, stride in zip(widths, widths[1:], strides[1:], strict=False)
    ]
    network = _Depthwise(stem, blocks, nn.Linear(widths[-1], classes))
    for module in network.modules():
        if isinstance(module, nn.Conv2d):  # as large after each as before: images stay distinct
            nn.init.kaiming_normal_(module.weight)
    return network


class _Depthwise(nn.Module):
    def __init__(self, stem: nn.Module, blocks: Sequence[nn.Module], fc: nn.Module) -> None:
        super().__init__()
        self.stem, self.blocks, self.fc = stem, nn.Sequential(*blocks), fc

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return logits ``(n, classes)`` for ``(n, 3, H, W)``."""
        logits: torch.Tensor = self.fc(self.blocks(self.stem(images)).mean((2, 3)))
        return logits


def _unit(into: int, out: int, kernel: int, stride: int, groups: int = 1) -> nn.Module:
    convolution = nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(out), nn.ReLU())


def make_bundle(network: Network, folder: Path) -> NDArray[np.uint8]:
    """Export `network` with random weights to `folder`; return images to run it on.

    20 classes, prototype heads. Nobody leaves at its one operating point; see `forced`.
    """
    images = _noise(network)
    cascade = random_cascade(network, images)
    export_cascade(cascade, "random", folder, target="onnxruntime", input="uint8")
    return images


def _noise(network: Network) -> NDArray[np.uint8]:
    shape = (network.images, network.side, network.side, 3)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def add_int8(folder: Path, images: NDArray[np.uint8], target: str = "onnxruntime") -> None:
    """Add the cascade of the bundle `folder` at int8, with ranges found on `images`."""
    bundle = open_bundle(folder)
    build = write_narrow(bundle, target, _INT8, images)
    content = manifest.with_build(bundle.manifest, build)
    (folder / manifest.MANIFEST).write_bytes(manifest.dump(content))


def random_cascade(network: Network, images: NDArray[np.uint8] | None = None) -> Cascade:
    """Return `network` with random weights and prototype heads, of 20 classes; nobody leaves.

    Args:
        network: Which.
        images: That it brings; by default noise.
    """
    torch.manual_seed(0)
    images = _noise(network) if images is None else images
    classes = tuple(str(label) for label in range(_CLASSES))
    truth = np.zeros(len(images), np.int64)
    data = Dataset("random", images, truth, classes, tuple(map(str, range(len(images)))))
    preprocessing = Preprocessing(network.side, network.side, (0.5,) * 3, (0.25,) * 3)
    backbone, recipe = BackboneSpec(network.backbone, _CLASSES, network.stem), plan_recipe()
    frozen, branches = build_parts(
        backbone, network.attach, recipe, preprocessing, allow=Allowed(("benchmarks",))
    )
    spec = CascadeSpec(
        backbone=backbone,
        attach=network.attach,
        classes=classes,
        preprocessing=preprocessing,
        recipe=recipe,
        backbone_training=None,
        branches=(),
        operating_points=(),
        default_operating_point="nobody",
        split=divide(data, seed=0).record,
    )
    cascade = Cascade(spec, frozen, branches, Samples(images[:16], truth[:16]))
    nobody = np.full((len(network.attach), _CLASSES), NEVER, np.float32)
    answers = cascade.answer(images[:16])
    point = operating_point("nobody", 0.0, nobody, answers, truth[:16])
    return replace(cascade, spec=replace(spec, operating_points=(point,)))
