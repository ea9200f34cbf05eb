"""CINIC-10: three parts of 90,000 images in the ten classes of CIFAR-10 (Darlow et al., 2018)."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np

from calexnet.data import archive, folder, image
from calexnet.data.dataset import Dataset
from calexnet.data.root import Archive, Root
from calexnet.data.tree import OFFICIAL
from calexnet.errors import InputError

#: Of https://doi.org/10.7488/ds/2448; the MD5 is the one that public loaders of the set carry.
ARCHIVE = Archive(
    "CINIC-10.tar.gz",
    "https://datashare.ed.ac.uk/bitstream/handle/10283/3192/CINIC-10.tar.gz",
    "md5:6ee4d0c996905fe93221de577967a372",
)
CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
SHAPE = (32, 32, 3)


def load(root: Root) -> Dataset:
    """Return CINIC-10 from its tree ``{train,valid,test}/{class}/*.png``, or from its archive.

    The tree is the root itself or its sub-folder ``CINIC-10``. Positions are those in the order of
    the paths, wherever the images come from.

    Raises:
        InputError: It is not there, or damaged; the message names the file.
        RuntimeUnavailableError: Pillow is not installed.
    """
    path = root.find("cinic10", ("CINIC-10/test", "test", ARCHIVE.file), ARCHIVE)
    return _from_archive(path) if path.is_file() else _from_tree(path.parent)


def _from_tree(tree: Path) -> Dataset:
    data = folder.load(tree)
    if data.classes != CLASSES or not data.official:
        raise InputError(
            f"{tree} is not the tree of CINIC-10",
            got=f"classes {', '.join(data.classes)}",
            expected=f"train, valid and test, each with {', '.join(CLASSES)}",
        )
    if data.images.shape[1:] != SHAPE:
        raise InputError(
            f"the images in {tree} are of another size",
            got=folder.size(data.images[0]),
            expected="32x32",
        )
    return replace(data, name="cinic10")


def _from_archive(path: Path) -> Dataset:
    pixels, keys = bytearray(), []
    for name, content in archive.members(path, _is_image):
        found = image.read(BytesIO(content), name=f"{path}/{name}").pixels
        if found.shape != SHAPE:
            raise InputError(
                f"{path}/{name} is of another size", got=folder.size(found), expected="32x32"
            )
        pixels += found.tobytes()
        keys.append("/".join(PurePosixPath(name).parts[-3:]))
    parts = [OFFICIAL.index(key.split("/")[0]) for key in keys]
    order = sorted(range(len(keys)), key=lambda row: (parts[row], keys[row]))
    return Dataset(
        name="cinic10",
        images=np.frombuffer(pixels, np.uint8).reshape(-1, *SHAPE)[order],
        labels=np.array([CLASSES.index(keys[row].split("/")[1]) for row in order], np.int64),
        classes=CLASSES,
        keys=tuple(keys[row] for row in order),
        official=OFFICIAL,
        source=path,
    )


def _is_image(name: str) -> bool:
    *_, part, kind, file = ("", "", *PurePosixPath(name).parts)
    return part in OFFICIAL and kind in CLASSES and file.endswith(".png")
