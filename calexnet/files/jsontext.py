"""The one way in for JSON: every record that a stranger may have written is read here.

Stricter than RFC 8259 where that leaves a choice: UTF-8 without a byte order mark, no key twice, no
NaN nor infinity, whole numbers of at most 64 bits, no half of a surrogate pair, bounded size and
depth. So whatever comes out can be written again, and no reader of it meets a surprise.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calexnet.files.storage import regular_bytes

#: Bytes of a document, and how many arrays and objects may lie in one another.
MOST_BYTES, MOST_DEPTH = 64 * 2**20, 64

_INTEGERS = range(-(2**63), 2**63)

#: What may be a number that does not fit, or half of a surrogate pair: looked at closely then.
_LARGE = re.compile(r"\d{19}|[eE][+]?\d{3}")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')
_INNERMOST = re.compile(r"\[\]|\{\}")
_NO_BRACKET = re.compile(r"[^][{}]+")


def read(path: Path) -> Any:
    """Return the document in a regular file.

    Raises:
        OSError: It cannot be read, or is no regular file.
        ValueError: It is too large, or see `parse`.
    """
    return parse(regular_bytes(path, MOST_BYTES))


def parse(text: str | bytes) -> Any:
    """Return the document in `text`.

    Raises:
        ValueError: It is no JSON, or has what no document of ours has; see the module.
    """
    if len(text) > MOST_BYTES:
        raise ValueError(f"{len(text):,} bytes of JSON; {MOST_BYTES:,} are the most")
    words = text if isinstance(text, str) else text.decode("utf-8")
    closely = _LARGE.search(words) is not None
    try:
        document = json.loads(
            words,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_int=_integer if closely else None,
            parse_float=_float if closely else None,
        )
    except RecursionError as problem:
        raise ValueError(f"JSON nested deeper than {MOST_DEPTH}") from problem
    _refuse_depth(words)  # not before: only in valid JSON does every string end
    if _SURROGATE.search(words):
        json.dumps(document, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return document


def _refuse_depth(words: str) -> None:
    """Take pairs of brackets away from within: as often as that can be done is the depth."""
    brackets = _NO_BRACKET.sub("", _STRING.sub("", words))
    for _ in range(MOST_DEPTH):
        brackets = _INNERMOST.sub("", brackets)
        if not brackets:
            return
    if brackets:
        raise ValueError(f"JSON nested deeper than {MOST_DEPTH}")


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(k for k in keys if keys.count(k) > 1)!r} twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > 20 or int(digits) not in _INTEGERS:
        raise ValueError(f"a number of {len(digits)} digits, which 64 bits do not hold")
    return int(digits)


def _float(digits: str) -> float:
    if not math.isfinite(value := float(digits)):
        raise ValueError(f"the number {digits[:40]}, which is too large")
    return value


def _no_constant(name: str) -> float:
    raise ValueError(f"{name}, which is no number")
