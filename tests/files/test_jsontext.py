"""JSON of strangers: what is read, what is refused, and how long that takes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.files import jsontext

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@pytest.mark.slow
@given(VALUES, st.booleans())
def test_what_json_writes_is_read_back(value: Any, ascii_alone: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_alone)

    assert value == jsontext.parse(text) == jsontext.parse(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", "Expecting property name"),
        (b'{"a": 1, "b": 2, "a": 1}', "the key 'a' twice"),
        (b'[{"x": {"y": 0, "y": 0}}]', "the key 'y' twice"),
        (b"\xef\xbb\xbf{}", "BOM"),
        ("{}".encode("utf-16"), "decode"),
        (b'"\xff"', "decode"),
        (b"[NaN]", "NaN, which is no number"),
        (b"[-Infinity]", "-Infinity, which is no number"),
        (b"[1e400]", "the number 1e400, which is too large"),
        (b"[-1E+999]", "too large"),
        (b"9" * 5000, "a number of 5000 digits, which 64 bits do not hold"),
        (b"[9223372036854775808]", "64 bits do not hold"),
        (b'"\\ud800"', "surrogates not allowed"),
        (b'{"\\uDFff": 1}', "surrogates not allowed"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b'{"a":[' * 33 + b"]}" * 33, "nested deeper than 64"),
        (b"[" * 100_000 + b"]" * 100_000, "nested deeper than 64"),
        (b"[" * 100_000, "."),
        (b'"' + b'\\"' * 100_000, "Unterminated string"),
    ],
)
def test_what_no_document_of_ours_has_is_refused(text: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        jsontext.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ("-9223372036854775808", -(2**63)),
        ("[" * 64 + "]" * 64, None),
        ('["' + "[" * 100 + '", "\\"["]', ["[" * 100, '"[']),
        ('"1e400 and 12345678901234567890"', "1e400 and 12345678901234567890"),
        ("1e-400", 0.0),
    ],
)
def test_what_only_looks_so_is_read(text: str, expected: Any) -> None:
    found = jsontext.parse(text)

    assert expected is None or expected == found


def test_only_regular_files_of_bounded_size_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "sparse").touch()
    os.truncate(tmp_path / "sparse", 50 * 2**30)
    (tmp_path / "good").write_text("[1]")

    assert [1] == jsontext.read(tmp_path / "good")
    with pytest.raises(OSError, match="no regular file"):
        jsontext.read(tmp_path / "pipe")
    with pytest.raises(ValueError, match=r"53,687,091,200 bytes; 67,108,864 are the most"):
        jsontext.read(tmp_path / "sparse")
    with pytest.raises(OSError, match="Is a directory"):
        jsontext.read(tmp_path)
    monkeypatch.setattr(jsontext, "MOST_BYTES", 2)
    with pytest.raises(ValueError, match="3 bytes of JSON; 2 are the most"):
        jsontext.parse("[1]")
