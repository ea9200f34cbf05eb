"""CIFAR-10: 50,000 and 10,000 images of 32x32, in ten classes (Krizhevsky, 2009)."""

from __future__ import annotations

from calexnet.data import cifar, differences
from calexnet.data.dataset import Dataset
from calexnet.data.root import Archive, Root

#: Address and MD5 as published at https://www.cs.toronto.edu/~kriz/cifar.html.
ARCHIVE = Archive(
    "cifar-10-binary.tar.gz",
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "md5:c32a1d4ab5d03f1284b67883e8d87530",
)
LAYOUT = cifar.Layout(
    folder="cifar-10-batches-bin",
    files={
        "train": tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
        "test": ("test_batch.bin",),
    },
    classes="batches.meta.txt",
    label_bytes=1,
    label=0,
)


def load(root: Root) -> Dataset:
    """Return CIFAR-10 from its archive, the folder unpacked from it, or a packed ``.npz``.

    Raises:
        InputError: It is not there, or damaged; the message names the file.
    """
    forms = (LAYOUT.folder, ARCHIVE.file, "cifar10.npz", "cifar10_20k.npz")
    path = root.find("cifar10", forms, ARCHIVE)
    if path.suffix == ".npz":
        return differences.read(path, "cifar10", labels="y", classes="names")
    return cifar.read(path, LAYOUT, "cifar10")
