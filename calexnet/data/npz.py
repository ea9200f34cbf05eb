"""A data set as one ``.npz`` file: ``images``, ``labels``, ``classes``, ``keys``; no pickles.

``classes`` and ``keys`` may be left out: then classes are numbered, and keys are positions. The
set's official parts stand in ``official``, if it has any.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.storage import staged_file

#: What damaged archives raise; RuntimeError (with NotImplementedError) for flags and methods.
DAMAGE = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


def load(path: Path) -> Dataset:
    """Return the data set in `path`.

    Raises:
        InputError: The file is damaged, or an array is missing or cannot be used.
    """
    arrays = read_arrays(path)
    missing = [name for name in ("images", "labels") if name not in arrays]
    if missing:
        raise InputError(
            f"{path} has no array {missing[0]!r}",
            got=", ".join(sorted(arrays)) or "no arrays",
            expected="images (uint8, n x height x width x channels) and labels (integers)",
        )
    for name, array in arrays.items():
        kinds = "iu" if name == "labels" else "iuU"
        if name in ("labels", "classes", "keys", "official") and (
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
        official=tuple(str(part) for part in arrays.get("official", ())),
        source=path,
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
            official=np.array(data.official, dtype=np.str_),
        )


def read_arrays(path: Path, wanted: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the `wanted` arrays of an ``.npz``, or all that it has; no pickle is run.

    Raises:
        InputError: The file is damaged, or a wanted array is not there.
    """
    reading = str(path)
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as archive:
            there, arrays = archive.files, {}
            for name in wanted or there:
                reading = f"the array {name} of {path}"
                if name in there:
                    arrays[name] = archive[name]
    except DAMAGE as problem:
        raise InputError(
            f"cannot read {reading}",
            got=problem,
            expected=f"an .npz with the arrays {', '.join(wanted or ('images', 'labels'))}",
            fix="Fetch or make it again",
        ) from problem
    for name in wanted or ():
        if name not in arrays:
            raise InputError(
                f"{path} has no array {name!r}",
                got=", ".join(sorted(there)) or "no arrays",
                expected=", ".join(wanted or ()),
            )
    return arrays
