"""CIFAR-100: the images of 100 classes, and of 20 coarse ones (Krizhevsky, 2009)."""

from __future__ import annotations

from dataclasses import replace

from calexnet.data import cifar, differences
from calexnet.data.dataset import Dataset
from calexnet.data.root import Archive, Root

#: Address and MD5 as published at https://www.cs.toronto.edu/~kriz/cifar.html.
ARCHIVE = Archive(
    "cifar-100-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
    "md5:03b5dce01913d631647c71ecec9e9cb8",
)
FINE = cifar.Layout(
    folder="cifar-100-binary",
    files={"train": ("train.bin",), "test": ("test.bin",)},
    classes="fine_label_names.txt",
    label_bytes=2,
    label=1,
)
COARSE = replace(FINE, classes="coarse_label_names.txt", label=0)


def load(root: Root) -> Dataset:
    """Return CIFAR-100 with its 100 classes.

    Raises:
        InputError: It is not there, or damaged; the message names the file.
    """
    return _load(root, "cifar100", FINE, "fine")


def load_coarse(root: Root) -> Dataset:
    """Return CIFAR-100 with its 20 coarse classes; raises as `load` does."""
    return _load(root, "cifar100-coarse", COARSE, "coarse")


def _load(root: Root, name: str, layout: cifar.Layout, kind: str) -> Dataset:
    path = root.find(name, (layout.folder, ARCHIVE.file, "cifar100.npz"), ARCHIVE)
    if path.suffix == ".npz":
        return differences.read(path, name, labels=f"y_{kind}", classes=f"{kind}_names")
    return cifar.read(path, layout, name)
