"""The hash that a document carries of itself."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.files import schema, selfhash
from calexnet.files.selfhash import AlteredError, resealed, signed, verified
from calexnet.files.storage import sha256

ZEROS = "0" * 64
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)
DOCUMENTS = st.dictionaries(st.text(max_size=5), VALUES, max_size=4)


def test_it_is_that_of_the_bytes_with_zeros_in_its_place() -> None:
    blank = f'{{"sha256": "{ZEROS}", "a": 1}}'

    assert blank.replace(ZEROS, sha256(blank.encode())).encode() == signed({"a": 1}, indent=None)


def test_it_stands_in_front_one_field_a_line_and_other_zeros_stay() -> None:
    blank = f'{{\n "sha256": "{ZEROS}",\n "a": "{ZEROS}"\n}}\n'

    wanted = blank.replace(ZEROS, sha256(blank.encode()), 1)
    assert wanted.encode() == signed({"a": ZEROS})


def test_what_is_no_json_is_not_signed() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        signed({"a": float("nan")})


@pytest.mark.parametrize("content", [{"a": 1}, {"file": {"sha256": ZEROS}, "name": "gr\u00fcn"}])
def test_the_tools_of_any_system_can_check_it(tmp_path: Path, content: dict[str, Any]) -> None:
    """As the module's docstring says, but for jq, which not every system has."""
    if shutil.which("sed") is None or shutil.which("sha256sum") is None:
        pytest.skip("needs sed and sha256sum")
    path = tmp_path / "file.json"
    path.write_bytes(signed(content))
    value = json.loads(path.read_bytes())["sha256"]

    words = f"sed 's/{value}/{ZEROS}/' {path} | sha256sum"
    found = subprocess.run(["sh", "-c", words], capture_output=True, text=True, check=True)

    assert value == found.stdout.split()[0]


@given(DOCUMENTS, st.sampled_from([None, 1]))
def test_what_was_signed_is_read_with_its_hash_and_without_the_field(
    document: dict[str, Any], indent: int | None
) -> None:
    data = signed(document, indent)

    identity, content = verified(data, json.loads(data))

    assert {name: value for name, value in document.items() if name != "sha256"} == content
    assert json.loads(data)["sha256"] == identity


@given(DOCUMENTS, st.data())
def test_a_changed_byte_is_seen(document: dict[str, Any], draw: st.DataObject) -> None:
    data = bytearray(signed(document))
    place = draw.draw(st.integers(0, len(data) - 1))
    data[place] ^= draw.draw(st.integers(1, 127))
    try:
        changed = json.loads(bytes(data))
    except ValueError:
        return  # the reader sees that
    if isinstance(changed, dict):
        with pytest.raises(AlteredError):
            verified(bytes(data), changed)


def test_the_form_of_earlier_versions_is_read_too() -> None:
    older = {"a": 1, "sha256": schema.fingerprint({"a": 1})}

    assert (older["sha256"], {"a": 1}) == verified(json.dumps(older).encode(), older)


def test_a_document_without_a_hash_is_taken_only_where_there_were_such() -> None:
    data = b'{"a": 1}'

    assert (schema.fingerprint({"a": 1}), {"a": 1}) == verified(data, {"a": 1}, bare=True)
    with pytest.raises(AlteredError):
        verified(data, {"a": 1})


@pytest.mark.parametrize("recorded", [None, 3, "", "abc", "G" * 64, "\ud800" * 64, [], ZEROS])
def test_what_is_no_hash_is_none(recorded: object) -> None:
    document = {"sha256": recorded, "a": 1}

    with pytest.raises(AlteredError):
        verified(json.dumps(document).encode(), document)


def test_a_hash_that_stands_there_twice_names_nothing() -> None:
    value = json.loads(signed({"a": 1}))["sha256"]
    document = {"sha256": value, "other": value}

    with pytest.raises(AlteredError):
        verified(json.dumps(document).encode(), document)


def test_an_edit_is_sealed_and_keeps_its_form() -> None:
    edited = signed({"a": 1}).replace(b'"a": 1', b'"a":   2')

    data = resealed(edited, json.loads(edited))

    assert b'"a":   2' in data
    _, content = verified(data, json.loads(data))
    assert {"a": 2} == content
    assert data == resealed(data, json.loads(data))


def test_a_document_of_an_earlier_version_gets_the_new_form() -> None:
    data = resealed(b'{"a": 1}', {"a": 1})

    assert signed({"a": 1}) == data
    assert selfhash.FIELD in json.loads(data)
