"""Results that appear on disk whole or not at all.

Everything is written beside its destination and put in place in one step, so that a full disk, a
kill or a Ctrl-C leaves what was there before. So does a power cut: what was written is on the disk
before its name is, and that before anything earlier is removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import glob
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from calexnet.errors import StorageError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

#: What a file system says that has no way to write through, or no locks.
_UNABLE = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.ENOLCK, errno.EBADF}

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
    errno.ENOENT,
    errno.EINVAL,
    errno.ELOOP,
    errno.EEXIST,
    errno.EBUSY,
    errno.ENAMETOOLONG,
    errno.EIO,
}


def sha256(data: bytes) -> str:
    """Return the SHA-256 of `data`, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a regular file's bytes, which are never in memory all at once.

    Raises:
        OSError: It cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return stream_sha256(file)


def stream_sha256(file: BinaryIO) -> str:
    """Return the SHA-256 of what is left in an open file, likewise."""
    digest, room = hashlib.sha256(), bytearray(_HASHED_AT_ONCE)
    view = memoryview(room)
    while (count := file.readinto(room)) > 0:  # type: ignore[attr-defined]
        digest.update(view[:count])
    return digest.hexdigest()


def is_file(path: Path) -> bool:
    """Tell whether there is a file; a name that is too long, or not allowed, is nobody's."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Tell whether there is a folder, likewise."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def regular_bytes(path: Path, most: int) -> bytes:
    """Return the bytes of a regular file, of at most `most`.

    Raises:
        OSError: It cannot be read, or is a folder, a pipe, a device.
        ValueError: It is larger.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most:
            raise ValueError(f"{size:,} bytes; {most:,} are the most")
        return file.read(size)


def open_regular(path: Path) -> BinaryIO:
    """Return a regular file, opened to be read; a pipe, which nobody may fill, is not waited for.

    Raises:
        OSError: It cannot be read, or is a folder, a pipe, a device.
    """
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    kind = os.fstat(handle).st_mode
    if not stat.S_ISREG(kind):
        os.close(handle)
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "no regular file", str(path))
    return cast("BinaryIO", os.fdopen(handle, "rb", buffering=0))


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
        recover(destination)
        _refuse_foreign(destination, marker)
        stage = _stage(destination)
        with explained(destination, every=True):
            stage.mkdir()
        try:
            yield stage
            _write_through_all(stage)
            _put_in_place(stage, destination)
        finally:
            shutil.rmtree(stage, ignore_errors=True)


@contextlib.contextmanager
def staged_file(destination: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a path to write to, which replaces the file `destination` when the block ends well.

    Args:
        destination: The file to make or replace.
        durable: Wait until it is on the disk. What is checked by a hash whenever it is read, and
            made anew if need be, can do without.

    Raises:
        StorageError: The system refused to write, or `destination` is a folder.
    """
    with explained(destination):
        if destination.is_dir():
            raise StorageError(
                "cannot write the file", got=f"{destination}, a folder", expected="a file name"
            )
        stage = _stage(destination)
        with explained(destination, every=True):
            stage.touch()  # now, and not when all is computed
        try:
            yield stage
            if durable:
                write_through(stage)
            stage.replace(destination)
            if durable:
                write_through(destination.parent)
        finally:
            stage.unlink(missing_ok=True)


def copy_folder(source: Path, destination: Path) -> None:
    """Copy all files below `source` into the folder `destination`.

    Stops at the first refusal of the system and passes it on; `shutil.copytree` goes on, and its
    error forgets which refusal it was.

    Raises:
        OSError: The system refused to read or to write.
    """
    for path in sorted(source.rglob("*")):
        place = destination / path.relative_to(source)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            shutil.copyfile(path, place)


def recover(destination: Path) -> None:
    """Put the earlier result back, if a process was killed between moving it away and the new one.

    That takes a file system that cannot swap two folders in one step; elsewhere nothing is to do.
    """
    try:
        if destination.exists() or not _aside(destination, "replaced"):
            return
    except (OSError, ValueError):  # no place where anything could be
        return
    with locked(destination.parent):  # a live process may be between its two renames just now
        for old in _aside(destination, "replaced"):
            if not destination.exists():
                old.rename(destination)
                write_through(destination.parent)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Hold a lock on `folder` while the block runs; yield whether the file system has locks."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            held = True
        except OSError as refusal:
            if refusal.errno not in _UNABLE:
                raise
            held = False
        yield held
    finally:
        os.close(handle)


def write_through(path: Path) -> None:
    """Wait until a file's bytes, or the names in a folder, are on the disk.

    Raises:
        OSError: They could not be written.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as refusal:
        if refusal.errno not in _UNABLE:
            raise
    finally:
        os.close(handle)


def _write_through_all(folder: Path) -> None:
    """Write every file below `folder` through, then the folders, the innermost first."""
    found = [path for path in sorted(folder.rglob("*")) if not path.is_symlink()]
    for path in found:
        if path.is_file():
            write_through(path)
    for path in (*reversed(found), folder):
        if path.is_dir():
            write_through(path)


def _make_folder(folder: Path) -> None:
    """Make `folder` and those above it that are missing; their names are on the disk then."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in missing:
        write_through(path.parent)


def _stage(destination: Path) -> Path:
    """Return the path beside `destination` that is ours to make."""
    with explained(destination, every=True):
        _make_folder(destination.parent)
    _remove_abandoned(destination)
    return destination.parent / f".{destination.name}.{os.getpid()}.partial"


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
def explained(destination: Path, *, every: bool = False) -> Iterator[None]:
    """Turn the system's refusals into one message; what was there before is untouched.

    Args:
        destination: What is written.
        every: Nothing else is done in the block, so that any error is of the writing.
    """
    try:
        yield
    except OSError as error:
        if not every and error.errno not in _REFUSALS:
            raise
        raise StorageError(
            f"cannot write {destination}",
            got=error.strerror or str(error),
            expected="room and permission to write beside it",
            fix="Free some space or choose another --out; nothing earlier was changed",
        ) from error


def _remove_abandoned(destination: Path) -> None:
    """Remove the stages, and the results already replaced, that killed processes left behind."""
    for stage in (*_aside(destination, "partial"), *_aside(destination, "replaced")):
        owner = stage.name.split(".")[-2]
        # Our own id: in a container every process has the same one.
        if owner.isdigit() and (int(owner) == os.getpid() or not _is_running(int(owner))):
            if stage.is_dir():
                shutil.rmtree(stage, ignore_errors=True)
            else:
                stage.unlink(missing_ok=True)


def _aside(destination: Path, kind: str) -> list[Path]:
    """Return what processes have put beside `destination`, by the oldest name first."""
    return sorted(destination.parent.glob(f".{glob.escape(destination.name)}.*.{kind}"))


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
        write_through(destination.parent)
    elif _exchange(stage, destination):
        write_through(destination.parent)  # before the old one, now the stage, is removed
    else:
        # No atomic exchange here: the old folder survives beside the new one until both are named.
        old = destination.parent / f".{destination.name}.{os.getpid()}.replaced"
        with locked(destination.parent):
            destination.rename(old)
            try:
                stage.rename(destination)
            except BaseException:
                old.rename(destination)
                raise
        write_through(destination.parent)
        shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step (Linux `renameat2`); return whether the system could."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    paths = os.fsencode(one), os.fsencode(other)
    return bool(renameat2(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0)
