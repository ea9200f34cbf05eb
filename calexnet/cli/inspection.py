"""A network as the product sees it: what it takes, says and costs, and where branches could go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.data.split import over_classes
from calexnet.errors import InputError
from calexnet.training import backbones
from calexnet.training.backbones.places import Place, spread

if TYPE_CHECKING:
    from torch import nn

    from calexnet.export.intake.taking import Taken
    from calexnet.images.preprocessing import Preprocessing

#: Real images that a conversion is tried on, and that are answered.
_TRIED, _ASKED = 16, 256


Pixels = Literal["normalised", "0..1", "0..255"]


@dataclass(frozen=True)
class Reading:
    """How many images a model answers rightly if pixels come to it so.

    Attributes:
        pixels: ``normalised`` by mean and std, divided by 255 alone (``0..1``), or as they are
            (``0..255``).
        right: How many of those asked.
    """

    pixels: Pixels
    right: int


@dataclass(frozen=True)
class Inspection:
    """What is known of a network.

    Attributes:
        model: As it was named.
        kind: What it is written in.
        image: Channels, height, width.
        layout: Of the input as the file or module has it.
        dtype: Of that.
        batch: How many images at once the file was made for, ``None`` = any.
        opset: Of the file, ``None`` for PyTorch.
        is_half: Whether the file computes in half precision.
        classes: How many.
        said: ``logits``, or what is taken off to get to them.
        macs: Of one image.
        parameters: Numbers learnt.
        places: Where branches could go, in running order.
        proposed: Names of those that are spread best.
        images: Real ones that were asked, 0 = it was tried on noise.
        readings: What it answers of these.
    """

    model: str
    kind: Literal["onnx", "pytorch"]
    image: tuple[int, int, int]
    layout: str
    dtype: str
    batch: int | None
    opset: int | None
    is_half: bool
    classes: int
    said: str
    macs: int
    parameters: int
    places: tuple[Place, ...]
    proposed: tuple[str, ...]
    images: int = 0
    readings: tuple[Reading, ...] = ()


Numbers = tuple[float, ...]


def of_onnx(
    path: Path, samples: Dataset | None, mean: Numbers | None, std: Numbers | None
) -> Inspection:
    """Return what is known of an ONNX file, after its conversion was tried.

    Raises:
        InputError: No cascade can be made of it, or it does not fit the samples.
    """
    from calexnet.export.graph import counts
    from calexnet.export.intake.places import places
    from calexnet.export.intake.taking import take

    rows = None if samples is None else over_classes(samples, _all(samples), _TRIED, seed=0)
    images = None if samples is None or rows is None else samples.images[rows]
    taken = take(path, images, mean, std)
    counted, found, form = counts.count(taken.data), places(taken.data), taken.form
    seen = Inspection(
        model=str(path),
        kind="onnx",
        image=(form.channels, form.height, form.width),
        layout=form.layout,
        dtype=form.dtype,
        batch=form.batch,
        opset=taken.opset,
        is_half=taken.is_half,
        classes=taken.answer.classes,
        said=taken.answer.said,
        macs=counted.macs,
        parameters=counted.parameters,
        places=found,
        proposed=_names(spread([place for place in found if place.tensors == 1])),
    )
    return seen if samples is None else _with_readings(seen, taken, samples)


def of_torch(
    spec: backbones.BackboneSpec,
    network: nn.Module,
    preprocessing: Preprocessing,
    images: NDArray[np.uint8],
) -> Inspection:
    """Return what is known of a PyTorch network; images tell whether it can be a backbone.

    Raises:
        InputError: No cascade can be made of it.
    """
    from calexnet.training import flops
    from calexnet.training.backbones import attaching, check
    from calexnet.training.backbones.frozen import FrozenBackbone, handed

    inputs = handed(network.eval(), preprocessing.normalise(images))
    found = attaching.places(network.requires_grad_(False), inputs)
    channels, height, width = inputs.shape[1:]
    if found:
        backbone = FrozenBackbone(network, [place.name for place in found])
        backbone.check((channels, height, width), spec.classes)
        check.check(backbone, inputs)
    return Inspection(
        model=spec.name,
        kind="pytorch",
        image=(channels, height, width),
        layout="NCHW",
        dtype="float32",
        batch=None,
        opset=None,
        is_half=False,
        classes=spec.classes,
        said="logits",
        macs=flops.macs_of(network, inputs[:1]),
        parameters=sum(p.numel() for p in network.parameters()),
        places=found,
        proposed=_names(spread(found)),
    )


def _with_readings(seen: Inspection, taken: Taken, samples: Dataset) -> Inspection:
    """Return `seen` with what the model answers of real images, pixels read in every way."""
    from calexnet.export.intake import readings

    if seen.classes != len(samples.classes):
        raise InputError(
            "the model does not fit the data",
            got=f"{seen.classes} classes",
            expected=f"{len(samples.classes)}, as the data have",
            fix="Give the data that it was trained on, all of its classes in its order",
        )
    rows = over_classes(samples, _all(samples), _ASKED, seed=0)
    own = taken.preprocessing.mean, taken.preprocessing.std
    ways: dict[Pixels, readings.Normal] = {"normalised": own}
    if taken.form.dtype != "uint8":
        ways |= {"0..1": readings.shares(len(own[0])), "0..255": readings.as_bytes(len(own[0]))}
    found = readings.right(taken, samples.images[rows], samples.labels[rows], ways)
    return replace(
        seen,
        images=len(rows),
        readings=tuple(Reading(way, count) for way, count in found.items()),
    )


def _all(samples: Dataset) -> NDArray[np.intp]:
    return np.arange(len(samples))


def _names(places: tuple[Place, ...]) -> tuple[str, ...]:
    return tuple(place.name for place in places)
