"""How a network wants its pixels: asked on labelled images, since a graph does not say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import onnx
from numpy.typing import NDArray

from calexnet.export.intake.taking import Taken
from calexnet.export.intake.trying import asked
from calexnet.images.preprocessing import Preprocessing

#: A mean and a standard deviation, one a channel, in 0..1.
Normal = tuple[tuple[float, ...], tuple[float, ...]]

#: What most published networks for colour images were trained with (ImageNet's own statistics).
IMAGENET: Normal = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


Way = TypeVar("Way", bound=str)


def shares(channels: int) -> Normal:
    """Return what leaves pixels divided by 255: 0..1."""
    return (0.0,) * channels, (1.0,) * channels


def as_bytes(channels: int) -> Normal:
    """Return what leaves pixels as they are: 0..255."""
    return (0.0,) * channels, (1 / 255,) * channels


def usual(own: Normal) -> dict[str, Normal]:
    """Return how pixels are usually read, the data's own mean and std first."""
    channels = len(own[0])
    ways = {
        "the data's own mean and std": own,
        "0..1": shares(channels),
        "0..255": as_bytes(channels),
    }
    return ways | ({"ImageNet's mean and std": IMAGENET} if channels == 3 else {})


def right(
    taken: Taken, images: NDArray[np.uint8], truth: NDArray[np.int64], ways: Mapping[Way, Normal]
) -> dict[Way, int]:
    """Return how many images a network answers rightly, by how it reads their pixels.

    Args:
        taken: The network.
        images: uint8 ``(n, H, W, C)``.
        truth: int64 ``(n,)``.
        ways: To read them.
    """
    model, form = onnx.load_from_string(taken.data), taken.preprocessing
    found: dict[Way, int] = {}
    for name, (mean, std) in ways.items():
        pixels = Preprocessing(form.height, form.width, mean, std).normalise(images)
        (logits,) = asked(model, pixels)
        found[name] = int((logits.argmax(1) == truth).sum())
    return found
