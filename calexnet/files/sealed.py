"""A folder whose document lists every file with its hash: bundles, and pools of pieces.

Nothing of it is taken that the document does not list, or that is not as it says.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from calexnet.errors import BundleError
from calexnet.files.storage import open_regular, sha256, stream_sha256
from calexnet.manifest import FileRecord

#: Bytes that take about as long to hash as it takes to have threads.
_WORTH_A_THREAD = 8 * 2**20


@dataclass(frozen=True)
class SealedFolder:
    """Where the files are, and how to speak of them.

    Attributes:
        path: The folder.
        document: The name of what lists its files.
        noun: What the folder is called.
        again: The next step for whoever holds a damaged one.
    """

    path: Path
    document: str
    noun: str
    again: str

    def read(self, record: FileRecord) -> bytes:
        """Return a file's bytes, checked against its record.

        Raises:
            BundleError: The file is missing, cut or changed.
        """
        path = self.path / record.path
        with self.readable(path), open_regular(path) as file:
            self._refuse_size(path, record, os.fstat(file.fileno()).st_size)
            data = file.read(record.size)
        self._refuse_changed(path, record, sha256(data))
        return data

    def check(self, record: FileRecord) -> None:
        """Do nothing if a file is as its record says; it is not kept in memory.

        Raises:
            BundleError: The file is missing, cut or changed.
        """
        path = self.path / record.path
        with self.readable(path), open_regular(path) as file:
            self._refuse_size(path, record, os.fstat(file.fileno()).st_size)
            found = stream_sha256(file)
        self._refuse_changed(path, record, found)

    def check_all(self, records: Iterable[FileRecord]) -> None:
        """Compare every file's hash; large ones two at a time, for hashing is most of it.

        Raises:
            BundleError: A file is missing, cut or changed.
        """
        once: Sequence[FileRecord] = tuple(dict.fromkeys(records))
        if sum(record.size for record in once) < _WORTH_A_THREAD:
            for record in once:
                self.check(record)
            return
        from concurrent.futures import ThreadPoolExecutor  # an import that small ones are spared

        with ThreadPoolExecutor(2) as pool:
            for _ in pool.map(self.check, once):
                pass

    @contextmanager
    def readable(self, path: Path) -> Iterator[None]:
        """Turn the system's refusal to read `path` into one message."""
        try:
            yield
        except OSError as problem:
            raise BundleError(
                f"cannot read {path}", got=problem.strerror, fix=self.again
            ) from problem
        except BundleError:
            raise
        except ValueError as problem:  # too large
            raise BundleError(f"cannot read {path}", got=problem, fix=self.again) from problem

    def refuse_escape(self, listed: str) -> None:
        """Do nothing if a listed path is one below the folder.

        Raises:
            BundleError: It leaves the folder.
        """
        path = PurePosixPath(listed)
        inside = not path.is_absolute() and ".." not in path.parts and "\0" not in listed
        if inside:
            inside = _real(self.path / listed).is_relative_to(_real(self.path))
        if not inside:
            raise BundleError(
                f"a path in {self.path / self.document} leaves the {self.noun}",
                got=repr(listed),
                expected=f"a path below the {self.noun}'s folder",
                fix=f"Do not use this {self.noun}; get it again from where it was made",
            )

    def refuse_unlisted(self, records: Iterable[FileRecord]) -> None:
        """Do nothing if there is no file but these and the document.

        Raises:
            BundleError: There is.
        """
        listed = {record.path for record in records} | {self.document}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if (path.is_symlink() or not path.is_dir()) and name not in listed:
                raise BundleError(
                    f"{self.path} holds a file that its {self._listing()} does not list",
                    got=repr(name),
                    expected="only listed files",
                    fix=f"Remove that file, or copy the {self.noun} again",
                )

    def _listing(self) -> str:
        return "manifest" if self.document == "manifest.json" else self.document

    def _refuse_size(self, path: Path, record: FileRecord, size: int) -> None:
        """Do nothing if a file has the size that its record says: before it is read or hashed."""
        if size != record.size:
            raise BundleError(
                f"{path} was cut or changed",
                got=f"{size} bytes",
                expected=f"{record.size}",
                fix=self.again,
            )

    def _refuse_changed(self, path: Path, record: FileRecord, found: str) -> None:
        """Do nothing if a file has the hash that its record says."""
        if found != record.sha256:
            raise BundleError(
                f"{path} was changed",
                got=f"SHA-256 {found[:12]}...",
                expected=f"{record.sha256[:12]}...",
                fix=self.again,
            )


def _real(path: Path) -> Path:
    """Return where `path` really is; unlike `Path.resolve`, no error for a ring of links."""
    return Path(os.path.realpath(path))
