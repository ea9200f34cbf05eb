"""Data sets, by name or by path: ``load("digits")``, ``load("images/")``, ``load("set.npz")``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from calexnet.data.dataset import Dataset
from calexnet.errors import InputError

#: Named data sets: name -> module whose ``load()`` gives it.
NAMED = {"digits": "calexnet.data.digits"}


def load(source: str) -> Dataset:
    """Return the data set that `source` names: one of `NAMED`, an ``.npz`` file, or a folder.

    Raises:
        InputError: There is nothing of that name, or it cannot be read.
        RuntimeUnavailableError: A package that it needs is not installed.
    """
    if source in NAMED:
        found: Dataset = import_module(NAMED[source]).load()
        return found
    path = Path(source)
    try:
        is_folder, is_file = bool(source) and path.is_dir(), path.is_file()
    except OSError:  # for example a name that is too long
        is_folder = is_file = False
    if is_folder:
        from calexnet.data import folder

        return folder.load(path)
    if path.suffix == ".npz" and is_file:
        from calexnet.data import npz

        return npz.load(path)
    raise InputError(
        "unknown data set",
        got=repr(source),
        expected=f"{', '.join(NAMED)}, a folder with one sub-folder a class, or an .npz file",
        fix="Check the spelling and that the path exists",
    )
