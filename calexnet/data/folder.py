"""A data set as a tree of images: one sub-folder a class, all images of one size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.progress import track

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp"}


def load(root: Path) -> Dataset:
    """Return the images under `root`; a sample's key is its path relative to it.

    Raises:
        InputError: No class folders, no images, or an image that is damaged or of another size;
            the message names the file.
        RuntimeUnavailableError: Pillow is not installed.
    """
    classes = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    files = [
        (label, path)
        for label, name in enumerate(classes)
        for path in sorted((root / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise InputError(
            f"no images in {root}",
            got=f"{len(classes)} sub-folders",
            expected=f"one sub-folder a class, with {', '.join(sorted(SUFFIXES))} files",
        )
    images = [read_image(path) for _, path in track(files, f"reading {root}", len(files))]
    for (_, path), image in zip(files, images, strict=True):
        if image.shape != images[0].shape:
            raise InputError(
                f"{path} is of another size",
                got=_size(image),
                expected=f"{_size(images[0])}, like {files[0][1]}",
                fix="Bring all images to one size first",
            )
    return Dataset(
        name=root.resolve().name,
        images=np.stack(images),
        labels=np.array([label for label, _ in files], dtype=np.int64),
        classes=tuple(classes),
        keys=tuple(path.relative_to(root).as_posix() for _, path in files),
    )


def read_image(path: Path, resize: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    """Return one image as uint8 ``(H, W, 3)``, brought to `resize` ``(H, W)`` if given.

    Raises:
        InputError: There is no such file, or it is no image.
        RuntimeUnavailableError: Pillow is not installed.
    """
    pillow = _pillow()
    try:
        with pillow.open(path) as handle:
            image: Image = handle.convert("RGB")
            if resize is not None:
                image = image.resize((resize[1], resize[0]), pillow.Resampling.BILINEAR)
            return np.asarray(image, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as problem:
        raise InputError(
            f"cannot read {path} as an image", got=problem, expected="an image file"
        ) from problem


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "reading image files needs Pillow, which is not installed",
            fix="Run: pip install 'calexnet[bench]'; or give an .npz file instead",
        ) from missing
    return PIL.Image


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[1]}x{image.shape[0]}"
