"""Dataclasses to JSON and back, every type checked on the way in."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from calexnet.files import schema
from calexnet.files.schema import SchemaError


@dataclasses.dataclass(frozen=True)
class Leaf:
    name: str
    size: int
    share: float = 0.5
    exact: bool = False


@dataclasses.dataclass(frozen=True)
class Tree:
    kind: Literal["oak", "elm"]
    leaf: Leaf
    leaves: tuple[Leaf, ...]
    mixed: tuple[int | str, ...]
    rows: tuple[tuple[float | None, ...], ...]
    shares: dict[str, float]
    spare: Leaf | None
    anything: Any
    notes: tuple[str, ...] = dataclasses.field(default_factory=tuple)


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
LEAVES = st.builds(Leaf, TEXT, st.integers(), NUMBERS, st.booleans())
TREES = st.builds(
    Tree,
    kind=st.sampled_from(["oak", "elm"]),
    leaf=LEAVES,
    leaves=st.lists(LEAVES, max_size=2).map(tuple),
    mixed=st.lists(st.integers() | TEXT, max_size=3).map(tuple),
    rows=st.lists(st.lists(NUMBERS | st.none(), max_size=2).map(tuple), max_size=2).map(tuple),
    shares=st.dictionaries(TEXT, NUMBERS, max_size=2),
    spare=LEAVES | st.none(),
    anything=st.none() | st.booleans() | TEXT | st.dictionaries(TEXT, st.integers(), max_size=2),
    notes=st.lists(TEXT, max_size=2).map(tuple),
)


def document() -> dict[str, Any]:
    return {
        "kind": "oak",
        "leaf": {"name": "a", "size": 1, "share": 0.25, "exact": True},
        "leaves": [{"name": "b", "size": 2}, {"name": "c", "size": 3}],
        "mixed": [1, "n"],
        "rows": [[0.5, None], []],
        "shares": {"train": 1},
        "spare": None,
        "anything": [1, {"x": None}],
    }


@given(TREES)
def test_what_is_encoded_and_written_as_json_decodes_to_the_same_value(tree: Tree) -> None:
    written = json.loads(json.dumps(schema.encode(tree)))

    assert tree == schema.decode(Tree, written)


def test_a_document_decodes_field_by_field_with_defaults_for_what_is_left_out() -> None:
    tree = schema.decode(Tree, document())

    assert (
        Tree(
            kind="oak",
            leaf=Leaf("a", 1, 0.25, True),
            leaves=(Leaf("b", 2), Leaf("c", 3)),
            mixed=(1, "n"),
            rows=((0.5, None), ()),
            shares={"train": 1.0},
            spare=None,
            anything=[1, {"x": None}],
        )
        == tree
    )


def test_a_whole_number_where_a_float_belongs_becomes_a_float() -> None:
    shares = schema.decode(Tree, document()).shares

    assert [float] == [type(share) for share in shares.values()]


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("kind", "ash", "kind: expected one of 'oak', 'elm', got 'ash'"),
        ("kind", [], "kind: expected one of 'oak', 'elm', got []"),
        ("leaf", [], "leaf: expected an object, got []"),
        ("leaf.name", 3, "leaf.name: expected a str, got 3"),
        ("leaf.size", 1.0, "leaf.size: expected a int, got 1.0"),
        ("leaf.size", True, "leaf.size: expected a int, got True"),
        ("leaf.size", None, "leaf.size: expected a int, got None"),
        ("leaf.share", "1", "leaf.share: expected a float, got '1'"),
        pytest.param(
            "leaf.share", 10**400, "leaf.share: expected a float, got 1000", id="too large"
        ),
        ("leaf.share", False, "leaf.share: expected a float, got False"),
        ("leaf.exact", 1, "leaf.exact: expected a bool, got 1"),
        ("leaf.colour", 1, "leaf: expected no field 'colour', got {"),
        ("colour", 1, "the document: expected no field 'colour', got {"),
        ("leaves", {}, "leaves: expected an array, got {}"),
        ("leaves.1.size", "x", "leaves[1].size: expected a int, got 'x'"),
        ("mixed.1", 1.5, "mixed[1]: expected a int, got 1.5"),
        ("mixed.1", None, "mixed[1]: expected a int, got None"),
        ("rows.0.1", "x", "rows[0][1]: expected a float, got 'x'"),
        ("rows.0", 0.5, "rows[0]: expected an array, got 0.5"),
        ("shares", [], "shares: expected an object, got []"),
        ("shares.train", None, "shares.train: expected a float, got None"),
        ("spare", {"name": "a"}, "spare.size is missing"),
    ],
)
def test_a_wrong_type_is_refused_by_the_name_of_its_place(
    place: str, value: object, message: str
) -> None:
    whole = document()
    inner: Any = whole
    *path, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    for step in path:
        inner = inner[step]
    inner[last] = value

    with pytest.raises(SchemaError, match="^" + re.escape(message)):
        schema.decode(Tree, whole)


def test_a_missing_field_is_refused_by_its_place() -> None:
    whole = document()
    del whole["leaves"][0]["size"]

    with pytest.raises(SchemaError, match=r"^file\.leaves\[0\]\.size is missing$"):
        schema.decode(Tree, whole, "file")


@pytest.mark.parametrize("value", [[], None, 3, "text"])
def test_a_document_that_is_no_object_is_refused(value: object) -> None:
    with pytest.raises(SchemaError, match=r"^the document: expected an object, got "):
        schema.decode(Leaf, value)


def test_a_long_wrong_value_is_shortened_in_the_message() -> None:
    with pytest.raises(SchemaError, match=r"got 'x{56}\.\.\.$"):
        schema.decode(Leaf, {"name": "a", "size": "x" * 1000})


def test_the_canonical_form_is_sorted_compact_utf8() -> None:
    assert '{"a":[1,0.5,null],"é":"ü"}'.encode() == schema.canonical(
        {"é": "ü", "a": [1, 0.5, None]}
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_the_canonical_form_refuses_numbers_that_json_does_not_have(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        schema.canonical({"x": value})


def test_the_fingerprint_is_the_sha256_of_the_canonical_form() -> None:
    # printf '{"a":1,"b":2}' | sha256sum
    expected = "43258cff783fe7036d8a43033f830adfc60ec037382473548ac742b888292777"

    assert expected == schema.fingerprint({"b": 2, "a": 1})
    assert expected != schema.fingerprint({"b": 1, "a": 2})
