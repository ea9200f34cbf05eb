"""A data set as a tree of images: one sub-folder a class, all images of one size.

Folders of classes may lie in ``train``, ``valid`` and ``test``, which are then official parts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.progress import track

if TYPE_CHECKING:
    from PIL.Image import Image

OFFICIAL = ("train", "valid", "test")
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".ppm", ".webp"}


def load(root: Path) -> Dataset:
    """Return the images under `root`; a sample's key is its path relative to it.

    Raises:
        InputError: No class folders, no images, or an image that is damaged or of another size;
            the message names the file.
        RuntimeUnavailableError: Pillow is not installed.
    """
    official = _official(root)
    parts = [root / part for part in official] or [root]
    classes = sorted({name for part in parts for name in _folders(part)})
    files = [
        (label, path)
        for part in parts
        for label, name in enumerate(classes)
        for path in sorted((part / name).rglob("*"))
        if path.suffix.lower() in SUFFIXES
    ]
    if not files:
        raise InputError(
            f"no images in {root}",
            got=f"{len(classes)} sub-folders",
            expected=f"one sub-folder a class, with {', '.join(sorted(SUFFIXES))} files",
        )
    first = read_image(files[0][1])
    images = np.empty((len(files), *first.shape), np.uint8)
    for row, (_, path) in enumerate(track(files, f"reading {root}", len(files))):
        image = read_image(path)
        if image.shape != first.shape:
            raise InputError(
                f"{path} is of another size",
                got=size(image),
                expected=f"{size(first)}, like {files[0][1]}",
                fix="Bring all images to one size first",
            )
        images[row] = image
    return Dataset(
        name=root.resolve().name,
        images=images,
        labels=np.array([label for label, _ in files], dtype=np.int64),
        classes=tuple(classes),
        keys=tuple(path.relative_to(root).as_posix() for _, path in files),
        official=official,
        source=root,
    )


def read_image(
    source: Path | BinaryIO, resize: tuple[int, int] | None = None, *, name: str | None = None
) -> NDArray[np.uint8]:
    """Return one image as uint8 ``(H, W, 3)``, brought to `resize` ``(H, W)`` if given.

    Args:
        source: A file, or the content of one.
        resize: A size to bring it to.
        name: Of the file, for messages; that of `source` by default.

    Raises:
        InputError: There is no such file, or it is no image.
        RuntimeUnavailableError: Pillow is not installed.
    """
    pillow = _pillow()
    try:
        with pillow.open(source) as handle:
            image: Image = handle.convert("RGB")
            if resize is not None:
                image = image.resize((resize[1], resize[0]), pillow.Resampling.BILINEAR)
            return np.asarray(image, dtype=np.uint8)
    except (OSError, ValueError, SyntaxError, pillow.DecompressionBombError) as problem:
        raise InputError(
            f"cannot read {name or source} as an image", got=problem, expected="an image file"
        ) from problem


def size(image: NDArray[np.uint8]) -> str:
    """Return width and height of an image ``(H, W, 3)`` for a message."""
    return f"{image.shape[1]}x{image.shape[0]}"


def _folders(path: Path) -> list[str]:
    if not path.is_dir():
        return []
    return sorted(p.name for p in path.iterdir() if p.is_dir() and not p.name.startswith("."))


def _official(root: Path) -> tuple[str, ...]:
    """Return the official parts of a tree with nothing else at its top, in their usual order."""
    found = _folders(root)
    if set(found) <= {*OFFICIAL} and all(_folders(root / name) for name in found):
        return tuple(part for part in OFFICIAL if part in found)
    return ()


def _pillow() -> Any:
    try:
        import PIL.Image
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "reading image files needs Pillow, which is not installed",
            fix="Run: pip install 'calexnet[bench]'; or give an .npz file instead",
        ) from missing
    return PIL.Image
