"""The one way in for .npz files: what is there comes back, all else is one error."""

from __future__ import annotations

import io
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from calexnet.files import arrays
from calexnet.files.arrays import ArraysError

TYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(max_len=4),
)


def packed(save: Callable[..., None] = np.savez, **content: Any) -> bytes:
    stream = io.BytesIO()
    save(stream, **content)
    return stream.getvalue()


def zipped(**members: bytes) -> bytes:
    """Return an archive of members whose names end as given here, after the last ``_``."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_", "."), content)
    return stream.getvalue()


def npy(header: str, content: bytes = b"", version: bytes = b"\1\0") -> bytes:
    """Return a ``.npy`` with this header."""
    text = header.encode().ljust(118 - len(header) % 64 + len(header)) + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content


@settings(max_examples=60, deadline=None)
@given(
    TYPES.flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=0, min_side=0))),
    st.sampled_from([np.savez, np.savez_compressed]),
    st.booleans(),
)
def test_what_numpy_writes_is_read_back(
    array: NDArray[Any], save: Callable[..., None], fortran: bool
) -> None:
    array = np.asfortranarray(array) if fortran else array

    found = arrays.read(packed(save, one=array, other=np.arange(3)))

    assert ["one", "other"] == list(found)
    assert (array.dtype, array.shape) == (found["one"].dtype, found["one"].shape)
    np.testing.assert_array_equal(array, found["one"])


def test_only_what_is_wanted_and_there_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(packed(a=np.arange(3), b=np.array([{}], dtype=object)))

    assert ["a"] == list(arrays.read(path, ("a", "c")))
    assert ("a", "b") == arrays.names(path)


TERABYTES = "{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }"


@pytest.mark.parametrize(
    ("content", "array", "message"),
    [
        (b"", None, "File is not a zip file"),
        (b"\x80\x04].", None, "File is not a zip file"),
        (zipped(a_npy=npy(TERABYTES % (8 << 40), b"1")), "a", r"a header of 8\.8 TB, uint8 \("),
        (zipped(a_npy=npy(TERABYTES % 10**30, b"1")), "a", "a header of 1e"),
        (zipped(a_npy=npy(TERABYTES % -1)), "a", r"uint8 \(-1,\)"),
        (zipped(a_npy=npy("{'descr': '<U0', 'fortran_order': False, 'shape': (9,), }")), "a", "U0"),
        (zipped(a_npy=npy("(" * 200)), "a", "."),
        (zipped(a_npy=npy("{[]: 1}")), "a", "."),
        (zipped(a_npy=npy("{'a': 1, 2: 3}")), "a", "."),
        (zipped(a_npy=npy(TERABYTES % 1, b"1", version=b"\3\0")), "a", r"format \(3, 0\) of \.npy"),
        (zipped(a_npy=b"text"), "a", "magic string"),
        (zipped(a_npy=b""), "a", "."),
        (zipped(a_npy=npy(TERABYTES % 1, b"12")), "a", r"\(1,\), before 2 bytes"),
        (zipped(a_npy=npy(TERABYTES % 3, b"12")), "a", r"\(3,\), before 2 bytes"),
        (zipped(a_txt=b"text"), None, r"'a\.txt' in it, which is no array \(\.npy\)"),
        (packed(a=np.array([{}], dtype=object)), "a", "Python objects, which are never read"),
        (packed(a=np.zeros(2, "V4")), "a", r"\|V4 \(2,\)"),
        (packed(a=np.zeros(2, [("x", "f4")])), "a", r"\[\('x', '<f4'\)\] \(2,\)"),
        (packed(a=np.zeros(2, "M8[s]")), "a", r"datetime64\[s\] \(2,\)"),
        (packed(a=np.full(1, 0x110000, "<u4").view("<U1")), "a", "text that is none"),
        (packed(a=np.full(1, 0x110000, ">u4").view(">U1")), "a", "text that is none"),
    ],
)
def test_a_file_that_is_something_else_is_one_error(
    content: bytes, array: str | None, message: str
) -> None:
    with pytest.raises(ArraysError, match=message) as problem:
        arrays.read(content)

    assert array == problem.value.array


def test_a_name_that_is_there_twice_is_refused() -> None:
    content = zipped(a_npy=npy(TERABYTES % 1, b"1"), b_npy=npy(TERABYTES % 1, b"2"))

    with pytest.raises(ArraysError, match="there twice"):
        arrays.read(content.replace(b"b.npy", b"a.npy"))


def test_a_directory_that_claims_terabytes_is_not_believed() -> None:
    whole = bytearray(packed(a=np.zeros(3, np.uint8)))
    entry = whole.index(b"PK\1\2")
    whole[entry + 20 : entry + 28] = struct.pack("<II", 2**32 - 2, 2**32 - 2)

    with pytest.raises(ArraysError):
        arrays.read(bytes(whole))


def test_what_does_not_fit_into_memory_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = packed(np.savez_compressed, a=np.zeros(2000, np.uint8), b=np.zeros(2000, np.uint8))
    monkeypatch.setattr(arrays, "available_bytes", lambda: 3000)

    with pytest.raises(ArraysError, match=r"^4\.26 kB of arrays, and 3 kB of memory is free$"):
        arrays.read(content)
    assert ["a"] == list(arrays.read(content, ("a",)))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.npz")

    with pytest.raises(ArraysError, match="no regular file"):
        arrays.read(tmp_path / "pipe.npz")
    with pytest.raises(ArraysError, match="no such file"):
        arrays.read(tmp_path / "none.npz")


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_changed_bytes_never_change_a_number(data: st.DataObject) -> None:
    original = np.arange(50, dtype=np.float32)
    whole = bytearray(packed(np.savez_compressed, a=original, b=np.array(["x", "yz"])))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.sampled_from([0, 0, 1, 40]))

    try:
        found = arrays.read(bytes(whole[: len(whole) - cut]))
    except ArraysError:
        return
    if "a" in found:  # a changed name is another array
        np.testing.assert_array_equal(original, found["a"])
