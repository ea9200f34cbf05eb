"""The files in a ``.tar.gz``, read in order without unpacking, and every damage told."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from calexnet.errors import InputError
from calexnet.progress import Progress

#: Bytes of one file; the largest of the published sets, CIFAR-100's, has 154 million.
_LARGEST = 1 << 30

_DAMAGE = (OSError, EOFError, ValueError, tarfile.TarError, zlib.error)


def members(path: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file whose name is `wanted`.

    Raises:
        InputError: The archive is damaged, if only in its last byte.
    """
    try:
        with path.open("rb") as packed, gzip.open(packed) as stream, _progress(path) as progress:
            with tarfile.open(fileobj=stream, mode="r|") as tar:
                read = 0
                for member in tar:
                    if member.isreg() and wanted(member.name):
                        _refuse_large(member)
                        yield member.name, tar.extractfile(member).read()  # type: ignore[union-attr]
                    progress.advance((packed.tell() >> 20) - read)
                    read = packed.tell() >> 20
            # The checksum stands behind the last byte, where tar itself does not look.
            while stream.read(1 << 20):
                pass
    except _DAMAGE as problem:
        raise InputError(
            f"cannot read {path}",
            got=problem,
            expected="a whole .tar.gz",
            fix="Fetch it again",
        ) from problem


def _refuse_large(member: tarfile.TarInfo) -> None:
    if member.size > _LARGEST:
        raise ValueError(f"{member.name} of {member.size} bytes")


def _progress(path: Path) -> Progress:
    return Progress(f"reading {path}, MB", path.stat().st_size >> 20)
