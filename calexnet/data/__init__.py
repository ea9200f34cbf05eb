"""Data sets, by name or by path: ``load("cifar100")``, ``load("images/")``, ``load("set.npz")``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from calexnet.data.dataset import Dataset
from calexnet.data.root import Root
from calexnet.errors import InputError

#: Named data sets: name -> "module:function", which takes a `Root` and gives the set.
NAMED = {
    "digits": "calexnet.data.digits:load",
    "cifar10": "calexnet.data.cifar10:load",
    "cifar100": "calexnet.data.cifar100:load",
    "cifar100-coarse": "calexnet.data.cifar100:load_coarse",
    "cinic10": "calexnet.data.cinic10:load",
}


def load(source: str, root: Path | None = None, *, download: bool = False) -> Dataset:
    """Return the data set that `source` names: one of `NAMED`, an ``.npz`` file, or a folder.

    Args:
        source: The name or path.
        root: Folder that named sets lie in; by default what ``CALEXNET_DATA`` names.
        download: Fetch a named set that is not there.

    Raises:
        InputError: There is nothing of that name, or it cannot be read.
        RuntimeUnavailableError: A package that it needs is not installed.
    """
    if source in NAMED:
        module, _, function = NAMED[source].partition(":")
        found: Dataset = getattr(import_module(module), function)(Root(root, download))
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
