"""Results that appear on disk whole or not at all.

Everything is written beside its destination and put in place in one step, so that a full disk, a
kill or a Ctrl-C leaves what was there before.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from calexnet.errors import StorageError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

#: Bytes; they stay in the processor's cache from when they are read to when they are hashed.
_HASHED_AT_ONCE = 256 * 2**10

#: What the system says when it will not let us write; any other OSError is passed on as it is.
_REFUSALS = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EEXIST,
    errno.EBUSY,
    errno.ENAMETOOLONG,
    errno.EIO,
}


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes, which are never in memory all at once.

    Raises:
        OSError: It cannot be read.
    """
    digest, room = hashlib.sha256(), bytearray(_HASHED_AT_ONCE)
    view = memoryview(room)
    with path.open("rb", buffering=0) as file:
        while (count := file.readinto(room)) > 0:
            digest.update(view[:count])
    return digest.hexdigest()


@contextlib.contextmanager
def staged_folder(destination: Path, *, marker: str) -> Iterator[Path]:
    """Yield an empty folder that takes the place of `destination` when the block ends well.

    Args:
        destination: The folder to make or replace.
        marker: A file name that tells our own kind of folder; a non-empty folder without it is
            somebody else's and is never replaced.

    Raises:
        StorageError: The place is taken, or the system refused to write.
    """
    with explained(destination):
        destination = Path(os.path.realpath(destination))  # a link stays, what it names is replaced
        _refuse_foreign(destination, marker)
        destination.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(destination)
        stage = destination.parent / f".{destination.name}.{os.getpid()}.partial"
        stage.mkdir()
        try:
            yield stage
            _put_in_place(stage, destination)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


@contextlib.contextmanager
def staged_file(destination: Path) -> Iterator[Path]:
    """Yield a path to write to, which replaces the file `destination` when the block ends well.

    Raises:
        StorageError: The system refused to write, or `destination` is a folder.
    """
    with explained(destination):
        if destination.is_dir():
            raise StorageError(
                "cannot write the file", got=f"{destination}, a folder", expected="a file name"
            )
        destination.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(destination)
        stage = destination.parent / f".{destination.name}.{os.getpid()}.partial"
        try:
            yield stage
            stage.replace(destination)
        finally:
            stage.unlink(missing_ok=True)


def _refuse_foreign(destination: Path, marker: str) -> None:
    if destination.is_dir():
        foreign = any(destination.iterdir()) and not (destination / marker).is_file()
    else:
        foreign = destination.exists()
    if foreign:
        raise StorageError(
            f"will not replace {destination}",
            got=f"something without a {marker}",
            expected="a new or empty folder, or an earlier result",
            fix="Choose another --out",
        )


@contextlib.contextmanager
def explained(destination: Path) -> Iterator[None]:
    """Turn the system's refusals into one message; what was there before is untouched."""
    try:
        yield
    except OSError as error:
        if error.errno not in _REFUSALS:
            raise
        raise StorageError(
            f"cannot write {destination}",
            got=error.strerror or str(error),
            expected="room and permission to write beside it",
            fix="Free some space or choose another --out; nothing earlier was changed",
        ) from error


def _remove_abandoned(destination: Path) -> None:
    """Remove the stages that killed processes left behind."""
    for stage in destination.parent.glob(f".{glob.escape(destination.name)}.*.partial"):
        owner = stage.name.split(".")[-2]
        # Our own id: in a container every process has the same one.
        if owner.isdigit() and (int(owner) == os.getpid() or not _is_running(int(owner))):
            if stage.is_dir():
                shutil.rmtree(stage, ignore_errors=True)
            else:
                stage.unlink(missing_ok=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _put_in_place(stage: Path, destination: Path) -> None:
    if not destination.exists():
        stage.rename(destination)
    elif not _exchange(stage, destination):
        # No atomic exchange here: the old folder survives beside the new one until both are named.
        old = destination.parent / f".{destination.name}.{os.getpid()}.replaced"
        destination.rename(old)
        try:
            stage.rename(destination)
        except BaseException:
            old.rename(destination)
            raise
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step (Linux `renameat2`); return whether the system could."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)
