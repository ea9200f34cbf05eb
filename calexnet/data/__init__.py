"""Data sets, by name or by path: ``load("cifar100")``, ``load("images/")``, ``load("set.npz")``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from calexnet.data.dataset import Dataset
from calexnet.data.published import known_archive, refuse_known
from calexnet.data.root import Root
from calexnet.data.split import SplitRecord
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.images.resizing import Resize

#: Named data sets: name -> "module:function", which takes a `Root` and gives the set.
NAMED = {
    "digits": "calexnet.data.digits:load",
    "cifar10": "calexnet.data.cifar10:load",
    "cifar100": "calexnet.data.cifar100:load",
    "cifar100-coarse": "calexnet.data.cifar100:load_coarse",
    "cinic10": "calexnet.data.cinic10:load",
}


def load(
    source: str,
    root: Path | None = None,
    *,
    download: bool = False,
    resize: Resize | None = None,
    skip_bad: bool = False,
) -> Dataset:
    """Return the data set that `source` names: one of `NAMED`, an ``.npz`` file, or a folder.

    Args:
        source: The name or path.
        root: Folder that named sets lie in; by default what ``CALEXNET_DATA`` names.
        download: Fetch a named set that is not there.
        resize: Bring images to size so: all of a folder, others where their size is another.
        skip_bad: Leave out images of a folder that cannot be read.

    Raises:
        InputError: There is nothing of that name, or it cannot be read.
        RuntimeUnavailableError: A package that it needs is not installed.
    """
    if source in NAMED:
        module, _, function = NAMED[source].partition(":")
        found: Dataset = getattr(import_module(module), function)(Root(root, download))
        return found.brought_to(resize)
    path = Path(source)
    try:
        is_folder, is_file = bool(source) and path.is_dir(), path.is_file()
    except OSError:  # for example a name that is too long
        is_folder = is_file = False
    if is_folder:
        from calexnet.data import folder

        refuse_known(path)
        return folder.load(path, resize, skip_bad=skip_bad)
    if path.suffix.lower() == ".npz" and is_file:
        from calexnet.data import npz

        return npz.load(path).brought_to(resize)
    raise InputError(
        "unknown data set",
        got=repr(source),
        expected=f"{', '.join(NAMED)}, a folder with one sub-folder a class, or an .npz file",
        fix=known_archive(path) or "Check the spelling and that the path exists",
    )


def few(source: str, limit: int, resize: Resize | None = None) -> Dataset | None:
    """Return up to `limit` images that can be read long before `load` has read all of them.

    Args:
        source: As for `load`.
        limit: How many at most; they are of all classes in turn.
        resize: As for `load`.

    Returns:
        ``None`` if `source` is no folder of images, or some cannot be used, which `load` tells.

    Raises:
        InputError: The folder holds no images, or can be read in two ways.
        RuntimeUnavailableError: A package that it needs is not installed.
    """
    path = Path(source)
    if source in NAMED or not source or not path.is_dir():
        return None
    from calexnet.data import folder

    refuse_known(path)
    return folder.few(path, resize, limit)


def load_alike(
    source: str, root: Path | None, preprocessing: Preprocessing, split: SplitRecord
) -> Dataset:
    """Return the data set that `source` names, read as that of a training was.

    Args:
        source: The name or path.
        root: Folder that named sets lie in.
        preprocessing: Says how its images came to their size.
        split: Says whether images were left out.

    Raises:
        InputError: As `load` does.
        RuntimeUnavailableError: Likewise.
    """
    return load(source, root, resize=preprocessing.resize, skip_bad=split.has_skipped)
