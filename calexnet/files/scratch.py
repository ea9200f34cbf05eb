"""Folders for what a process needs while it runs, swept by the next one if it was killed.

Such a folder is locked by its owner. The system lets go of a lock when its owner ends, however it
ends; so unlike a process's id, which another process may have by then, a lock tells who lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from calexnet.files.storage import locked


@contextlib.contextmanager
def scratch_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that is removed when the block ends; remove what killed ones left.

    Args:
        prefix: What its name begins with; folders of that prefix are nobody else's.
        parent: Where it is made; ``None`` = the system's temporary folder.

    Raises:
        OSError: It cannot be made.
    """
    place = Path(parent or tempfile.gettempdir())
    with locked(place):  # one at a time: a new folder is not swept before its owner has locked it
        _sweep(place, prefix)
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
        lock = os.open(folder, os.O_RDONLY)
        with contextlib.suppress(OSError):  # a file system without locks: nobody can sweep there
            fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _sweep(place: Path, prefix: str) -> None:
    """Remove the folders whose owners have ended; what cannot be removed stays."""
    for folder in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another user's, or removed meanwhile
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
