"""scikit-learn's handwritten digits: 1,797 real images that come with its wheel, no download."""

from __future__ import annotations

import numpy as np

from calexnet.data.dataset import Dataset
from calexnet.data.root import Root
from calexnet.errors import RuntimeUnavailableError

SIZE = 32


def load(root: Root | None = None) -> Dataset:
    """Return the digits, brought from 8x8 at 17 grey levels to 32x32x3 bytes; no `root` is needed.

    Raises:
        RuntimeUnavailableError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "the digits come with scikit-learn, which is not installed",
            fix="Run: pip install 'calexnet[train]'; or on a machine that has it: "
            "calexnet data digits --out digits.npz, and give that file here",
        ) from missing
    bunch = load_digits()
    grey = enlarge(bunch.images / 16.0, SIZE)
    images = np.rint(grey * 255.0).astype(np.uint8)
    return Dataset(
        name="digits",
        images=np.repeat(images[..., None], 3, axis=-1),
        labels=bunch.target.astype(np.int64),
        classes=tuple(str(name) for name in bunch.target_names),
        keys=tuple(str(index) for index in range(len(images))),
    )


def enlarge(images: np.ndarray, size: int) -> np.ndarray:
    """Return `images` ``(n, h, w)`` enlarged to ``(n, size, size)``, bilinear, centres kept."""
    for axis in (1, 2):
        extent = images.shape[axis]
        position = np.clip((np.arange(size) + 0.5) * extent / size - 0.5, 0, extent - 1)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, extent - 1)
        share = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
        images = images.take(low, axis) * (1 - share) + images.take(high, axis) * share
    return images
