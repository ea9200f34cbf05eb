"""The folder that named data sets lie in, and fetching what is missing there when asked to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from calexnet.data.published import pickled
from calexnet.errors import InputError, RuntimeUnavailableError
from calexnet.progress import Progress

#: Environment variable that names the folder when no argument does.
VARIABLE = "CALEXNET_DATA"


@dataclass(frozen=True)
class Archive:
    """A data set as its makers publish it.

    Attributes:
        file: Its name.
        url: Where it is.
        checksum: ``md5:`` or ``sha256:`` and the hexadecimal digits.
    """

    file: str
    url: str
    checksum: str


@dataclass(frozen=True)
class Root:
    """Where to look.

    Attributes:
        folder: ``None`` = what `VARIABLE` names.
        download: Fetch what is not there.
    """

    folder: Path | None = None
    download: bool = False

    def find(self, name: str, forms: Sequence[str], archive: Archive) -> Path:
        """Return the first of `forms` that is there, else the archive, fetched.

        Args:
            name: The data set's, for messages.
            forms: Files and folders relative to the root, the preferred one first.
            archive: What to fetch.

        Raises:
            InputError: No root is named, or none of `forms` is in it and it cannot be fetched.
            RuntimeUnavailableError: It is to be fetched, and pooch is not installed.
        """
        named = self.folder or os.environ.get(VARIABLE)
        if not named:
            raise InputError(
                f"{name} is looked for in a folder, and none is named",
                expected=f"--data-root DIR, or the environment variable {VARIABLE}",
            )
        folder = Path(named).expanduser()
        if folder.name in forms and _exists(folder):
            return folder  # the set itself is named, not where it lies
        for form in forms:
            if _exists(folder / form):
                return folder / form
        if self.download:
            return fetch(archive, folder)
        raise InputError(
            f"{name} is not in {folder}",
            got=_instead(folder),
            expected=", ".join(forms[:-1]) + f" or {forms[-1]}",
            fix=f"Add --download, or fetch {archive.url}",
        )


def fetch(archive: Archive, folder: Path) -> Path:
    """Return the archive, fetched into `folder`; a broken download leaves nothing there.

    Raises:
        InputError: It cannot be fetched, or has another checksum.
        RuntimeUnavailableError: pooch is not installed.
    """
    try:
        import pooch
    except ImportError as missing:
        raise RuntimeUnavailableError(
            "fetching data sets needs pooch, which is not installed",
            fix=f"Run: pip install 'calexnet[download]'; or fetch {archive.url} into {folder}",
        ) from missing
    pooch.get_logger().setLevel("ERROR")
    bar = _Bar(f"fetching {archive.file}, MB")
    try:
        path = pooch.retrieve(
            archive.url,
            known_hash=archive.checksum,
            fname=archive.file,
            path=folder,
            downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 20),
        )
    except (OSError, ValueError) as problem:  # no network, no room, or another checksum
        raise InputError(
            f"cannot fetch {archive.file} into {folder}",
            got=problem,
            expected=f"{archive.url} with {archive.checksum}",
            fix="Try again, or fetch it another way",
        ) from problem
    finally:
        bar.close()
    return Path(path)


def _instead(folder: Path) -> str | None:
    """Return what is there instead and is easily taken for it."""
    if not _exists(folder):
        return "no such folder"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    found = next((name for name in names if pickled(name)), None)
    return found and f"{found}, which holds pickled Python objects and is never read"


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # for example a name that is too long
        return False


class _Bar:
    """What pooch asks of a progress bar: it sets `total` and counts bytes, at last all of them."""

    def __init__(self, label: str) -> None:
        self.total = 0
        self._label = label
        self._bytes = 0
        self._line: Progress | None = None

    def update(self, count: int) -> None:
        if self._line is None:
            self._line = Progress(self._label, self.total >> 20)
            self._line.__enter__()
        before = self._bytes >> 20
        self._bytes = min(self._bytes + count, self.total)
        self._line.advance((self._bytes >> 20) - before)

    def reset(self) -> None:
        """Keep the count: what pooch adds next is the whole, which `update` cuts to the rest."""

    def close(self) -> None:
        if self._line is not None:
            self._line.__exit__(None, None, None)
            self._line = None
