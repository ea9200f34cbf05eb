"""Which images belong together: frames of a clip, pictures of a patient."""

from __future__ import annotations

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError

#: Groups are the folders below the class's: ``cat/clip7/0001.png`` is of ``clip7``.
FOLDER = "folder"


def group_names(data: Dataset, group: str) -> tuple[str, ...]:
    """Return the group of each sample.

    A group of one name is one group, whatever classes and parts its images are in.

    Args:
        data: With paths as keys, or with the column.
        group: `FOLDER`, or the name of an array of the ``.npz`` that the set came from.

    Raises:
        InputError: There is no such column, or no folder below the classes'.
    """
    if group == FOLDER:
        return tuple(_folder(data, key) for key in data.keys)
    if group not in data.columns:
        raise InputError(
            f"{data.name} has no such groups",
            got=repr(group),
            expected=" or ".join((FOLDER, *data.columns)),
            fix="Name folder, or an array of the .npz with a name or integer for every image",
        )
    return data.columns[group]


def _folder(data: Dataset, key: str) -> str:
    parts = key.split("/")[1 if data.official else 0 :]
    if len(parts) < 3:
        raise InputError(
            f"{data.name} has images in no group",
            got=key,
            expected="a folder for every group below the class's: class/group/image",
        )
    return "/".join(parts[1:-1])
