"""What a run reads, sent to the board once: kept there under the hash of its content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from calexnet.files.storage import file_sha256
from calexnet.remote.ssh import Board

#: Its words: the folder of all contents, and the hash. What is cut off leaves no half content.
_UNPACK = """set -e
export LC_ALL=C
mkdir -p "$1"
part="$1/.$2.$$"
trap 'rm -rf "$part"' EXIT
mkdir "$part"
tar -x -o -f - -C "$part"
[ -e "$1/$2" ] || mv "$part" "$1/$2"
"""


@dataclass(frozen=True)
class Parcel:
    """A file or a folder to be read on the board.

    Attributes:
        path: Here.
        digest: Of its name and content, 32 hexadecimal digits.
        size: Bytes.
    """

    path: Path
    digest: str
    size: int

    def there(self, root: str) -> str:
        """Return its path on a board with calexnet's things in `root`."""
        return f"{root}/content/{self.digest}/{self.path.resolve().name}"


def parcel(path: Path) -> Parcel:
    """Return `path` as it is sent.

    Raises:
        OSError: It cannot be read.
    """
    inner = sorted(child for child in path.rglob("*") if child.is_file())
    files = inner if path.is_dir() else [path]
    digest, size = hashlib.sha256(path.resolve().name.encode()), 0
    for file in files:
        name = file.relative_to(path).as_posix()
        digest.update(f"\0{name}\0{file_sha256(file)}".encode())
        size += file.stat().st_size
    return Parcel(path, digest.hexdigest()[:32], size)


def send(board: Board, root: str, parcels: Iterable[Parcel]) -> None:
    """Send parcels that the board has not got.

    Args:
        board: Where to.
        root: As of `Parcel.there`.
        parcels: The missing ones.
    """
    for item in parcels:
        board.receive(
            f"copying {item.path.name}",
            ["sh", "-c", _UNPACK, "sh", f"{root}/content", item.digest],
            [(str(item.path), item.path.resolve().name)],
        )
