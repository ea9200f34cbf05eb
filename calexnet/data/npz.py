"""A data set as one ``.npz`` file: ``images``, ``labels``, ``classes``, ``keys``; no pickles.

``classes`` and ``keys`` may be left out: then classes are numbered, and keys are positions. The
set's official parts stand in ``official``, if it has any; ``resize`` says how its images came to
their size, and ``skipped`` which were left out. Any other array with a name or an integer for every
image is a column, by which images may be grouped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.data.dataset import ONE_RIGHT, Dataset
from calexnet.data.remarks import Remarks
from calexnet.errors import InputError
from calexnet.files import arrays
from calexnet.files.storage import staged_file
from calexnet.images.resizing import Resize

#: The arrays that a data set is made of.
_OWN = ("images", "labels", "classes", "keys", "official", "resize", "skipped")

#: Where classes have no names, labels beyond this are no labels: more than any set has.
_MOST_CLASSES = 100_000


def load(path: Path) -> Dataset:
    """Return the data set in `path`.

    Raises:
        InputError: The file is damaged, or an array is missing or cannot be used.
    """
    found = read_arrays(path)
    missing = [name for name in ("images", "labels") if name not in found]
    if missing:
        raise InputError(
            f"{path} has no array {missing[0]!r}",
            got=", ".join(sorted(found)) or "no arrays",
            expected="images (uint8, n x height x width x channels) and labels (integers)",
        )
    for name, array in found.items():
        kinds = "iu" if name == "labels" else "iuU"
        if name in ("labels", "classes", "keys", "official", "skipped") and (
            array.ndim != 1 or array.dtype.kind not in kinds
        ):
            raise InputError(
                f"the {name} of {path} cannot be used",
                got=f"{array.dtype} {array.shape}",
                expected="integers (n,)" if name == "labels" else "names or integers (n,)",
                fix=ONE_RIGHT if name == "labels" and array.ndim == 2 else None,
            )
    classes = found["classes"] if "classes" in found else _numbered(path, found["labels"])
    keys = found.get("keys", np.arange(len(found["labels"])))
    return Dataset(
        name=path.stem,
        images=found["images"],
        labels=_as_int64(path, found["labels"]),
        classes=tuple(str(name) for name in classes),
        keys=tuple(str(key) for key in keys),
        official=tuple(str(part) for part in found.get("official", ())),
        source=path,
        resize=_resize(path, found.get("resize")),
        skipped=tuple(str(key) for key in found.get("skipped", ())),
        remarks=Remarks(numbered="classes" not in found),
        columns=_columns(found),
    )


def _columns(found: Mapping[str, NDArray[Any]]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(str(value) for value in array)
        for name, array in found.items()
        if name not in _OWN and array.shape == found["labels"].shape and array.dtype.kind in "iuU"
    }


def _resize(path: Path, words: NDArray[Any] | None) -> Resize | None:
    if words is None:
        return None
    try:
        return Resize.parse(str(words))
    except InputError as problem:
        raise InputError(f"the resize of {path} cannot be used: {problem}") from problem


def _numbered(path: Path, labels: NDArray[Any]) -> NDArray[np.int64]:
    """Return the names of classes where none has one."""
    classes = int(labels.max(initial=0)) + 1 if len(labels) else 0
    if classes > _MOST_CLASSES:
        raise InputError(
            f"the labels of {path} are out of range",
            got=f"labels up to {classes - 1}",
            expected=f"0 to {_MOST_CLASSES - 1}",
            fix="Number the classes from 0, or add an array classes with their names",
        )
    return np.arange(classes)


def _as_int64(path: Path, labels: NDArray[Any]) -> NDArray[np.int64]:
    if labels.max(initial=0) > np.iinfo(np.int64).max:
        raise InputError(
            f"the labels of {path} are out of range", got=f"labels up to {labels.max()}"
        )
    return labels.astype(np.int64)


def save(data: Dataset, path: Path) -> None:
    """Write `data` to `path`, whole or not at all.

    Raises:
        StorageError: The system refused to write.
    """
    content = {
        "images": data.images,
        "labels": data.labels,
        "classes": np.array(data.classes),
        "keys": np.array(data.keys),
        "official": np.array(data.official, dtype=np.str_),
    }
    if data.resize is not None:
        content["resize"] = np.array(data.resize.words())
    content |= {name: np.array(values) for name, values in data.columns.items()}
    if data.skipped:
        content["skipped"] = np.array(data.skipped)
    with staged_file(path) as stage, stage.open("wb") as stream:
        np.savez_compressed(stream, **content)  # type: ignore[arg-type]


def read_arrays(path: Path, wanted: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the `wanted` arrays of an ``.npz``, or all that it has; no pickle is run.

    Raises:
        InputError: The file is damaged, or a wanted array is not there.
    """
    try:
        found = arrays.read(path, wanted)
        missing = [name for name in wanted or () if name not in found]
        there = sorted(arrays.names(path)) if missing else ()
    except arrays.ArraysError as problem:
        reading = path if problem.array is None else f"the array {problem.array} of {path}"
        raise InputError(
            f"cannot read {reading}",
            got=problem,
            expected=f"an .npz with the arrays {', '.join(wanted or ('images', 'labels'))}",
            fix="Fetch or make it again",
        ) from problem
    if missing:
        raise InputError(
            f"{path} has no array {missing[0]!r}",
            got=", ".join(there) or "no arrays",
            expected=", ".join(wanted or ()),
        )
    return found
