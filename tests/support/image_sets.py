"""The named data sets in the layouts of their makers, small: what their tests read."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from calexnet.data import cifar, cifar10, cifar100, cinic10

TRAIN, TEST = 20, 6
COUNTS = {"train": TRAIN, "test": TEST}
FINE = tuple(f"fine_{label}" for label in range(6))
COARSE = ("coarse_0", "coarse_1", "coarse_2")
TEN = cinic10.CLASSES


def images(part: str) -> NDArray[np.uint8]:
    """Return random images of an official part, ``(n, 32, 32, 3)``; the same at every call."""
    generator = np.random.default_rng(COUNTS[part])
    return generator.integers(0, 256, (COUNTS[part], 32, 32, 3), dtype=np.uint8)


def labels(part: str, classes: int) -> NDArray[np.int64]:
    """Return one label an image of an official part; every class is there."""
    return np.arange(COUNTS[part], dtype=np.int64) * 7 % classes


def records(pixels: NDArray[np.uint8], *label_bytes: NDArray[np.int64]) -> bytes:
    """Return label bytes and colour planes as CIFAR's binary files have them."""
    planes = pixels.transpose(0, 3, 1, 2).reshape(len(pixels), -1)
    columns = [label.astype(np.uint8)[:, None] for label in label_bytes]
    return np.concatenate([*columns, planes], axis=1).tobytes()


def cifar10_files() -> dict[str, bytes]:
    """Return the files of CIFAR-10's binary folder; the training images lie in five of them."""
    pixels, truth = images("train"), labels("train", 10)
    files = {
        f"data_batch_{k + 1}.bin": records(pixels[4 * k : 4 * k + 4], truth[4 * k : 4 * k + 4])
        for k in range(5)
    }
    files["test_batch.bin"] = records(images("test"), labels("test", 10))
    files["batches.meta.txt"] = ("\n".join(TEN) + "\n\n").encode()
    return files


def cifar100_files() -> dict[str, bytes]:
    """Return the files of CIFAR-100's binary folder, of six fine classes in three coarse ones."""
    files = {
        f"{part}.bin": records(images(part), labels(part, 6) // 2, labels(part, 6))
        for part in COUNTS
    }
    files["fine_label_names.txt"] = ("\n".join(FINE) + "\n").encode()
    files["coarse_label_names.txt"] = ("\n".join(COARSE) + "\n").encode()
    return files


def write_folder(root: Path, layout: cifar.Layout, files: dict[str, bytes]) -> Path:
    """Write `files` as the folder that an archive unpacks to."""
    folder = root / layout.folder
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def write_archive(path: Path, files: dict[str, bytes]) -> Path:
    """Write a ``.tar.gz`` of `files`, by their names in it."""
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_cifar10_archive(root: Path) -> Path:
    """Write CIFAR-10's archive."""
    folder = cifar10.LAYOUT.folder
    files = {f"{folder}/{name}": content for name, content in cifar10_files().items()}
    return write_archive(root / cifar10.ARCHIVE.file, {f"{folder}/readme.html": b"<p>", **files})


def write_cifar100_archive(root: Path) -> Path:
    """Write CIFAR-100's archive."""
    folder = cifar100.FINE.folder
    files = {f"{folder}/{name}": content for name, content in cifar100_files().items()}
    return write_archive(root / cifar100.ARCHIVE.file, files)


def packed(part: str) -> NDArray[np.uint8]:
    """Return an official part as the differences that `calexnet.data.differences` reads."""
    red, green, blue = np.moveaxis(images(part), 3, 0)
    planes = np.stack([green, red - green, blue - green], axis=1)
    across = np.diff(planes, axis=3, prepend=np.zeros((*planes.shape[:3], 1), np.uint8))
    zeros = np.zeros((*planes.shape[:2], 1, planes.shape[3]), np.uint8)
    return np.diff(across, axis=2, prepend=zeros)


def cifar100_arrays() -> dict[str, Any]:
    """Return the arrays of a packed ``cifar100.npz``."""
    arrays: dict[str, Any] = {
        "fine_names": np.array(FINE),
        "coarse_names": np.array(COARSE),
    }
    for part in COUNTS:
        arrays[f"d_{part}"] = packed(part)
        arrays[f"y_fine_{part}"] = labels(part, 6).astype(np.uint8)
        arrays[f"y_coarse_{part}"] = (labels(part, 6) // 2).astype(np.uint8)
    return arrays


def cinic10_files() -> dict[str, bytes]:
    """Return two images a class for each part of CINIC-10, by their paths; not in their order."""
    generator = np.random.default_rng(0)
    files = {}
    for part in ("valid", "train", "test"):
        for name in reversed(TEN):
            for number in (1, 0):
                image = generator.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                files[f"{part}/{name}/cifar10-{part}-{number}.png"] = png(image)
    return files


def png(image: NDArray[np.uint8]) -> bytes:
    """Return an image as the bytes of a PNG file."""
    stream = io.BytesIO()
    PIL.Image.fromarray(image).save(stream, "png")
    return stream.getvalue()


def write_tree(root: Path, files: dict[str, bytes]) -> Path:
    """Write `files` by their paths below `root`."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root
