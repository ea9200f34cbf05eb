"""The one way in for ``.npz`` files: data sets, samples, weights, answers.

Whoever made the file decides nothing but numbers and names: no pickle is run, only plain members
are read, and no header is believed before its size agrees with the bytes that are really there.
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from calexnet.memory import amount, available_bytes

#: What numbers and names may be: bool, integers, floats, complex, bytes, text.
_KINDS = "biufcSU"

#: Of the two packings that numpy writes, the most that one byte can unpack to (RFC 1951).
_UNPACKED = {zipfile.ZIP_STORED: 1, zipfile.ZIP_DEFLATED: 1032}

_MEMBERS = 10_000
_CHUNK = 1 << 20
_LAST_CHARACTER = 0x10FFFF
_SUFFIX = ".npy"

_DAMAGE = (
    *(ValueError, OSError, EOFError, struct.error, OverflowError),
    *(zipfile.BadZipFile, zlib.error),
    RuntimeError,  # with NotImplementedError: flags and packings that zipfile does not know
)


class ArraysError(ValueError):
    """An archive of arrays that cannot be read.

    Attributes:
        array: The array that is at fault, ``None`` = the file itself.
    """

    def __init__(self, problem: object, array: str | None = None) -> None:
        super().__init__(str(problem))
        self.array = array


def read(source: Path | bytes, wanted: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return those of the `wanted` arrays that an ``.npz`` has, or all that it has.

    Args:
        source: A regular file, or the content of one.
        wanted: Names; ``None`` = all, and then everything in the archive must be an array.

    Raises:
        ArraysError: The file is damaged or claims more than it holds, an array holds Python
            objects, or all together do not fit into memory.
    """
    try:
        with ExitStack() as opened:
            stream = opened.enter_context(_opened(source))
            archive = opened.enter_context(zipfile.ZipFile(stream))
            members = _members(archive, wanted)
            _refuse_too_large(members.values())
            return {name: _array(archive, name, info) for name, info in members.items()}
    except ArraysError:
        raise
    except _DAMAGE as problem:
        raise ArraysError(problem) from problem


def names(source: Path | bytes) -> tuple[str, ...]:
    """Return the names of the arrays in an ``.npz``; raises as `read` does."""
    try:
        with _opened(source) as stream, zipfile.ZipFile(stream) as archive:
            return tuple(_members(archive, None))
    except ArraysError:
        raise
    except _DAMAGE as problem:
        raise ArraysError(problem) from problem


def _opened(source: Path | bytes) -> IO[bytes]:
    if isinstance(source, bytes):
        return BytesIO(source)
    if not source.is_file():  # a pipe would be waited for, without an end
        raise ArraysError("no such file" if not source.exists() else "no regular file")
    return source.open("rb")


def _members(archive: zipfile.ZipFile, wanted: Sequence[str] | None) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    if len(infos) > _MEMBERS:
        raise ArraysError(f"{len(infos)} files in one archive")
    found: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = info.filename.removesuffix(_SUFFIX)
        if name == info.filename:
            if wanted is None:
                raise ArraysError(f"{info.filename!r} in it, which is no array ({_SUFFIX})")
        elif name in found:
            raise ArraysError("it is there twice", name)
        elif wanted is None or name in wanted:
            found[name] = info
    return found


def _refuse_too_large(infos: Iterable[zipfile.ZipInfo]) -> None:
    whole, free = sum(info.file_size for info in infos), available_bytes()
    if whole > free:
        raise ArraysError(f"{amount(whole)} of arrays, and {amount(free)} of memory is free")


def _array(archive: zipfile.ZipFile, name: str, info: zipfile.ZipInfo) -> NDArray[Any]:
    try:
        _refuse_bomb(info, name)
        with archive.open(info) as stream:
            shape, fortran, dtype = _header(stream, name)
            size = math.prod(shape) * dtype.itemsize
            _refuse_misfit(size, info.file_size - stream.tell(), name, f"{dtype} {shape}")
            content = _content(stream, size)
    except ArraysError:
        raise
    except (*_DAMAGE, MemoryError) as problem:
        raise ArraysError(problem or "no memory for it", name) from problem
    array = content.view(dtype).reshape(shape, order="F" if fortran else "C")
    if dtype.kind == "U" and (_points(content, dtype) > _LAST_CHARACTER).any():
        raise ArraysError("text that is none", name)
    return array


def _refuse_bomb(info: zipfile.ZipInfo, name: str) -> None:
    most = info.compress_size * _UNPACKED.get(info.compress_type, 0) + _CHUNK
    if info.file_size > most:
        raise ArraysError(f"{amount(info.file_size)} in {info.compress_size} bytes", name)


def _refuse_misfit(claimed: int, there: int, name: str, form: str) -> None:
    if claimed != there:
        raise ArraysError(f"a header of {amount(claimed)}, {form}, before {there} bytes", name)


def _header(stream: IO[bytes], name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, order and dtype from the head of a ``.npy``.

    Raises:
        ArraysError: There is none that numpy writes for plain arrays.
    """
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    try:
        version = np.lib.format.read_magic(stream)
        shape, fortran, dtype = readers[version](stream)
    except KeyError:
        raise ArraysError(f"format {version} of {_SUFFIX}", name) from None
    except Exception as problem:  # a text is parsed here, and many kinds come of a wrong one
        raise ArraysError(problem, name) from problem
    if dtype.hasobject:
        raise ArraysError("Python objects, which are never read", name)
    if dtype.kind not in _KINDS or not dtype.itemsize or min(shape, default=0) < 0:
        raise ArraysError(f"{dtype} {shape}", name)
    return shape, fortran, dtype


def _content(stream: IO[bytes], count: int) -> NDArray[np.uint8]:
    """Return `count` bytes; memory is taken as they come, and their checksum is looked at."""
    content = np.empty(count, np.uint8)
    filled = 0
    while some := stream.read(_CHUNK):
        content[filled : filled + len(some)] = np.frombuffer(some, np.uint8)
        filled += len(some)
    if filled != count:
        raise EOFError(f"{filled} bytes of {count}")
    return content


def _points(content: NDArray[np.uint8], dtype: np.dtype[Any]) -> NDArray[Any]:
    return content.view(np.dtype(np.uint32).newbyteorder(dtype.byteorder))
