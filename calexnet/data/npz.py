"""A data set as one ``.npz`` file: ``images``, ``labels``, ``classes``, ``keys``; no pickles.

``classes`` and ``keys`` may be left out: then classes are numbered, and keys are positions.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.storage import staged_file

#: What damaged archives raise; RuntimeError (with NotImplementedError) for flags and methods.
_DAMAGE = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def load(path: Path) -> Dataset:
    """Return the data set in `path`.

    Raises:
        InputError: The file is damaged, or an array is missing or cannot be used.
    """
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except _DAMAGE as problem:
        raise InputError(
            f"cannot read {path}",
            got=problem,
            expected="an .npz with the arrays images and labels",
            fix="Make it again, for example with: calexnet data digits --out digits.npz",
        ) from problem
    missing = [name for name in ("images", "labels") if name not in arrays]
    if missing:
        raise InputError(
            f"{path} has no array {missing[0]!r}",
            got=", ".join(sorted(arrays)) or "no arrays",
            expected="images (uint8, n x height x width x channels) and labels (integers)",
        )
    for name, array in arrays.items():
        kinds = "iu" if name == "labels" else "iuU"
        if name in ("labels", "classes", "keys") and (
            array.ndim != 1 or array.dtype.kind not in kinds
        ):
            raise InputError(
                f"the {name} of {path} cannot be used",
                got=f"{array.dtype} {array.shape}",
                expected="integers (n,)" if name == "labels" else "names or integers (n,)",
            )
    labels = arrays["labels"].astype(np.int64)
    classes = arrays.get("classes", np.arange(int(labels.max(initial=-1)) + 1))
    keys = arrays.get("keys", np.arange(len(labels)))
    return Dataset(
        name=path.stem,
        images=arrays["images"],
        labels=labels,
        classes=tuple(str(name) for name in classes),
        keys=tuple(str(key) for key in keys),
    )


def save(data: Dataset, path: Path) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises:
        StorageError: The system refused to write.
    """
    with staged_file(path) as stage, stage.open("wb") as stream:
        np.savez_compressed(
            stream,
            images=data.images,
            labels=data.labels,
            classes=np.array(data.classes),
            keys=np.array(data.keys),
        )
