"""The hash that a document carries of itself: of bundles, runs and plans alike.

It is the SHA-256 of the file's bytes with the value of the top-level ``sha256`` replaced by 64
zeros, so that any tool can check it::

    value=$(jq -r .sha256 FILE)
    sed "s/$value/$(printf '%064d' 0)/" FILE | sha256sum

It tells damage and changes by mistake. It does not tell who wrote a file: whoever changes one can
write the hash that fits (``calexnet seal``).
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from calexnet.files import schema

FIELD = "sha256"
_BLANK = "0" * 64
_DIGITS = set("0123456789abcdef")


class AlteredError(ValueError):
    """A document that is not what its hash says.

    Attributes:
        actual: The hash of what it is now.
        recorded: What it says of itself.
    """

    def __init__(self, actual: str, recorded: object) -> None:
        super().__init__(f"content with SHA-256 {actual[:12]}..., not {str(recorded)[:12]}...")
        self.actual, self.recorded = actual, str(recorded)


def signed(document: dict[str, Any], indent: int | None = 1) -> bytes:
    """Return `document` as JSON, its hash in front; in one line without an end if not indented.

    Raises:
        ValueError: It holds what JSON does not, such as NaN.
    """
    content = {name: value for name, value in document.items() if name != FIELD}
    text = json.dumps(
        {FIELD: _BLANK, **content}, indent=indent, ensure_ascii=False, allow_nan=False
    )
    blank = (text if indent is None else f"{text}\n").encode()
    # The first 64 zeros are the field's own, whatever else the document holds.
    return blank.replace(_BLANK.encode(), hashlib.sha256(blank).hexdigest().encode(), 1)


def verified(
    data: bytes, document: dict[str, Any], *, bare: bool = False
) -> tuple[str, dict[str, Any]]:
    """Return a document's hash, and the document without it.

    Documents of earlier versions, with the hash of their canonical JSON, are taken too.

    Args:
        data: The file's bytes.
        document: What they say.
        bare: Take one without a hash, as runs and plans of earlier versions are; it is named by
            the hash of its canonical JSON.

    Raises:
        AlteredError: It has another hash than it says, or says none.
    """
    content = {name: value for name, value in document.items() if name != FIELD}
    if bare and FIELD not in document:
        return schema.fingerprint(content), content
    recorded = document.get(FIELD)
    actual = _of_bytes(data, recorded)
    if recorded == actual or recorded == schema.fingerprint(content):
        return str(recorded), content
    raise AlteredError(actual, recorded)


def resealed(data: bytes, document: dict[str, Any]) -> bytes:
    """Return the bytes of a document that was changed on purpose, with the hash that fits.

    All else stays as it was written, but in documents of earlier versions.
    """
    recorded = document.get(FIELD)
    if not _stands_once(data, recorded):
        return signed(document)
    return data.replace(str(recorded).encode(), _of_bytes(data, recorded).encode())


def _of_bytes(data: bytes, recorded: object) -> str:
    """Return the hash of `data` with `recorded`, which stands there once, as zeros."""
    if _stands_once(data, recorded):
        data = data.replace(str(recorded).encode(), _BLANK.encode())
    return hashlib.sha256(data).hexdigest()


def _stands_once(data: bytes, value: object) -> bool:
    """Tell whether `value` is a hash, and stands in `data` as it is, once."""
    is_hash = isinstance(value, str) and len(value) == 64 and set(value) <= _DIGITS
    return is_hash and data.count(str(value).encode()) == 1
