"""What an app has at hand, as a batch: one frame, pictures of Pillow, images of other sizes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.images.preprocessing import Preprocessing


def as_batch(images: object, wanted: Preprocessing) -> NDArray[Any]:
    """Return `images` as an array of the type and shape that an engine takes.

    A batch that fits is given back as it is; so is one image of it, as a batch of one. Where the
    cascade takes bytes, pictures of Pillow are turned as their EXIF says and brought to size as the
    training's own were, if that was recorded; so are arrays ``(height, width, C)`` of other sizes,
    one or many.

    Raises:
        InputError: Something else, or another size and no recorded way to this one.
    """
    if isinstance(images, np.ndarray):
        shape = wanted.batch_shape()
        if images.shape == shape:
            return wanted.fitting(images[None])
        if images.shape[1:] == shape:
            return wanted.fitting(images)
    several = list(images) if isinstance(images, (list, tuple)) else [images]
    if wanted.input == "float" or not several or isinstance(images, np.ma.MaskedArray):
        return wanted.fitting(images)
    if isinstance(images, np.ndarray) and images.ndim == 4:
        several = list(images)
    if any(is_picture(image) for image in several):
        return wanted.fitting(_alike([_to_size(image, wanted) for image in several]))
    if wanted.resize is None or not all(_is_raw(image, wanted.channels) for image in several):
        return wanted.fitting(images)
    return np.stack([_to_size(image, wanted) for image in several])


def pixels(image: object, channels: int) -> Any:
    """Return a picture of Pillow as uint8 ``(height, width, channels)``; all else as it is."""
    if not is_picture(image):
        return image
    from calexnet.data.image import picture

    return picture(image, grey=channels == 1).pixels


def is_picture(image: object) -> bool:
    """Return whether this is an image of Pillow, which nobody has who has not imported it."""
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(image, pillow.Image)


def _to_size(image: object, wanted: Preprocessing) -> Any:
    array = pixels(image, wanted.channels)
    ready = array.shape == wanted.image_shape and not is_picture(image)
    return array if wanted.resize is None or ready else wanted.resized([array])[0]


def _is_raw(image: object, channels: int) -> bool:
    return (
        isinstance(image, np.ndarray)
        and image.dtype == np.uint8
        and image.ndim == 3
        and image.shape[2] == channels
        and image.size > 0
    )


def _alike(images: list[Any]) -> Any:
    """Return images as one array where they have one shape."""
    return np.stack(images) if len({np.shape(image) for image in images}) == 1 else images
