"""Folders and archives of published sets that are given where a data set is asked for."""

from __future__ import annotations

from pathlib import Path

from calexnet.errors import InputError

#: A file in a folder that CIFAR unpacks to -> the name of the set, in the binary form.
_BINARY = {"batches.meta.txt": "cifar10", "fine_label_names.txt": "cifar100"}

#: The same, in the form of pickled Python objects.
_PICKLED = {"batches.meta": "cifar10", "meta": "cifar100"}

#: How the names of the archives end, whatever the set.
_ARCHIVES = {
    "cifar-10-binary.tar.gz": "cifar10",
    "cifar-100-binary.tar.gz": "cifar100",
    "CINIC-10.tar.gz": "cinic10",
}


def refuse_known(folder: Path) -> None:
    """Do nothing unless `folder` is what one of CIFAR's archives unpacks to.

    Raises:
        InputError: It is; the message says how to use it.
    """
    for file, name in _BINARY.items():
        if (folder / file).is_file():
            raise InputError(
                f"{folder} is {name} itself, no folder of images",
                fix=f"Give --data {name} --data-root {folder.resolve().parent}",
            )
    for file, name in _PICKLED.items():
        if (folder / file).is_file() and pickled(folder.name):
            raise InputError(
                f"{folder} holds pickled Python objects, which are never read",
                expected=f"the binary version of {name}",
                fix=f"Fetch it: --data {name} --data-root DIR --download",
            )


def known_archive(path: Path) -> str | None:
    """Return what to do with an archive that is given for a data set; ``None`` if it is none."""
    if path.name in _ARCHIVES:
        return f"Give --data {_ARCHIVES[path.name]} --data-root {path.resolve().parent}"
    if pickled(path.name):
        return "It holds pickled Python objects, which are never read: take the binary version"
    return None


def pickled(name: str) -> bool:
    """Return whether a file or folder is called as CIFAR's Python version is."""
    return name in {
        *("cifar-10-batches-py", "cifar-100-python"),
        *("cifar-10-python.tar.gz", "cifar-100-python.tar.gz"),
    }
