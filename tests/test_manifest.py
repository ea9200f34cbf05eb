"""The manifest: one typed, versioned document that carries its own hash."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from calexnet import manifest
from calexnet.calibration import CutNetwork
from calexnet.certify import Counts
from calexnet.errors import BundleError
from calexnet.files import schema
from calexnet.files.storage import sha256
from calexnet.manifest import CutRecord, Manifest
from tests.support.sample_bundle import FILES, sample_manifest


def document() -> dict[str, Any]:
    """Return the sample manifest as JSON, without its hash."""
    found: dict[str, Any] = json.loads(manifest.dump(sample_manifest()))
    del found["sha256"]
    return found


def signed(content: dict[str, Any]) -> bytes:
    """Return `content` with the hash that fits it, as earlier versions wrote it."""
    return json.dumps({**content, "sha256": schema.fingerprint(content)}).encode()


def test_counts_come_back_and_older_manifests_have_none() -> None:
    counted = Counts(images=40, harmed=2, helped=1)
    old = sample_manifest()
    points = tuple(replace(point, counts=counted) for point in old.operating_points)
    narrow = replace(old.compiled[1], operating_points=points, plain_counts=Counts(40, 3, 2))
    new = replace(old, operating_points=points, compiled=(old.compiled[0], narrow))

    read, _ = manifest.parse(manifest.dump(new), "here")

    assert counted == read.operating_points[0].counts
    assert [Counts(40, 0, 0), Counts(40, 3, 2)] == [
        read.plain_counts_of(build) for build in read.compiled
    ]
    assert [None, None] == [old.plain_counts_of(build) for build in old.compiled[:2]]


def test_cut_networks_come_back_a_builds_own_where_it_has_points_of_its_own() -> None:
    old = sample_manifest()
    full, own = (CutNetwork(0.5, Counts(40, harmed, 1)) for harmed in (2, 3))
    points = old.operating_points
    narrow = replace(old.compiled[1], operating_points=points, cuts=(own,))
    new = replace(old, cuts=(full,), compiled=(old.compiled[0], narrow))

    read, _ = manifest.parse(manifest.dump(new), "here")

    assert [(full,), (own,)] == [read.cuts_of(build) for build in read.compiled]
    assert (None,) == old.cuts_of(old.compiled[0])
    with pytest.raises(BundleError, match="cut short do not fit: got 2; expected 1, one a branch"):
        replace(old, cuts=(full, full))


def test_a_network_cut_short_has_no_branches() -> None:
    content = sample_manifest()
    cut = CutRecord(1, content.branches[0], 10, CutNetwork(0.5, None))

    with pytest.raises(BundleError, match=r"^the branches do not fit: got 1; expected none of"):
        replace(content, cut=cut)


def test_counts_that_cannot_be_make_no_manifest() -> None:
    content = document()
    content["operating_points"][0]["counts"] = {"images": 4, "harmed": 3, "helped": 2}

    with pytest.raises(BundleError, match="no such counts of at least one image: 3 harmed and 2"):
        manifest.parse(signed(content), "here")


def test_a_manifest_is_read_as_it_was_written_with_its_hash() -> None:
    content, identity = manifest.parse(manifest.dump(sample_manifest()), "manifest.json")

    assert sample_manifest() == content
    assert json.loads(manifest.dump(sample_manifest()))["sha256"] == identity


def test_the_layout_of_the_json_does_not_matter_only_its_content() -> None:
    reordered = dict(reversed(document().items()))

    content, identity = manifest.parse(signed(reordered), "manifest.json")

    assert (sample_manifest(), identity) == (content, schema.fingerprint(document()))


def test_a_manifest_is_readable_text_with_a_class_that_never_exits_as_null() -> None:
    text = manifest.dump(sample_manifest()).decode()

    assert '"backbone": "résnet-tiny"' in text
    assert text.endswith("}\n")
    assert [[0.75, None]] == json.loads(text)["operating_points"][0]["thresholds"]


def test_every_graph_of_every_build_is_among_the_files() -> None:
    assert set(FILES) == {record.path for record in sample_manifest().files()}


@pytest.mark.parametrize(
    ("name", "found"),
    [(None, "margin-0.05"), ("margin-0", "margin-0"), ("margin-0.05", "margin-0.05")],
)
def test_an_operating_point_is_found_by_name_or_as_the_default(
    name: str | None, found: str
) -> None:
    assert found == sample_manifest().operating_point(name).name


@pytest.mark.parametrize("name", ["margin-1", "MARGIN-0", ""])
def test_an_unknown_operating_point_is_refused_with_the_known_ones(name: str) -> None:
    with pytest.raises(
        BundleError,
        match=rf"^unknown operating point: got '{name}'; expected one of margin-0, margin-0\.05$",
    ):
        sample_manifest().operating_point(name)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"schema": 1,}',
        manifest.dump(sample_manifest())[:-20],
        b"[" * 100_000,
    ],
    ids=["empty", "open", "no text", "comma", "cut", "deep"],
)
def test_what_is_not_json_is_refused(data: bytes) -> None:
    with pytest.raises(
        BundleError, match=r"^m\.json is not JSON: got .*\. Copy the bundle again from where it was"
    ):
        manifest.parse(data, "m.json")


@pytest.mark.parametrize("data", [b"[]", b"3", b"null", b'"schema"'])
def test_json_that_is_no_object_is_refused(data: bytes) -> None:
    with pytest.raises(
        BundleError,
        match=r"^m\.json is not a manifest: expected an object\. Copy the bundle again .*\.$",
    ):
        manifest.parse(data, "m.json")


@pytest.mark.parametrize("version", [0, 1, "2", None])
def test_another_schema_is_refused_before_anything_else_is_read(version: object) -> None:
    with pytest.raises(
        BundleError,
        match=rf"^m\.json is of another schema: got {version!r}; expected 2\. Export the cascade "
        r"again with this version of calexnet\.$",
    ):
        manifest.parse(json.dumps({"schema": version, "new": {}}).encode(), "m.json")


@pytest.mark.parametrize(
    "change",
    [
        {"backbone": "other"},
        {"default_operating_point": "margin-0"},
        {"extra": 1},
        {"sha256": "0" * 64},
        {"sha256": None},
        {"sha256": 3},
        {"method": float("nan")},
        {"method": float("inf")},
        {"backbone": "\ud800"},
    ],
    ids=repr,
)
def test_a_manifest_that_was_altered_is_refused(change: dict[str, object]) -> None:
    altered = json.dumps({**json.loads(manifest.dump(sample_manifest())), **change}).encode()

    with pytest.raises(
        BundleError, match=r"^m\.json .*\. Copy the bundle again from where it was made, or export"
    ):
        manifest.parse(altered, "m.json")


def test_the_message_about_an_alteration_shows_both_hashes() -> None:
    altered = {**json.loads(manifest.dump(sample_manifest())), "backbone": "other"}
    recorded = altered["sha256"][:12]
    text = json.dumps(altered)
    actual = sha256(text.replace(altered["sha256"], "0" * 64).encode())[:12]

    with pytest.raises(
        BundleError,
        match=rf"^m\.json was altered: got content with SHA-256 {actual}\.\.\.; "
        rf"expected {recorded}\.\.\., as it says of itself\. Copy the bundle again .*; after an "
        r"edit on purpose: calexnet seal m\.json\.$",
    ):
        manifest.parse(text.encode(), "m.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": "cat"}, "classes: expected an array, got 'cat'"),
        ({"surplus": 1}, "the document: expected no field 'surplus'"),
        ({"macs": {"stages": [1]}}, r"macs\.branches is missing"),
        ({"schema": 2.0}, r"schema: expected a int, got 2\.0"),
        (
            {
                "preprocessing": {
                    "height": 4,
                    "width": 4,
                    "mean": [0.5],
                    "std": [0.0],
                    "input": "uint8",
                }
            },
            "std",
        ),
    ],
    ids=["type", "surplus", "missing", "float", "value"],
)
def test_a_well_signed_document_of_another_shape_is_refused_by_place(
    change: dict[str, object], message: str
) -> None:
    with pytest.raises(BundleError, match=rf"^m\.json is not a manifest: .*{message}.*\. Copy the"):
        manifest.parse(signed({**document(), **change}), "m.json")


def test_a_missing_field_is_refused_by_name() -> None:
    content = document()
    del content["compiled"][1]["segments"][0]["file"]["sha256"]

    with pytest.raises(
        BundleError,
        match=r"is not a manifest: compiled\[1\]\.segments\[0\]\.file\.sha256 is missing",
    ):
        manifest.parse(signed(content), "m.json")


def test_a_manifest_with_numbers_that_json_does_not_have_cannot_be_written() -> None:
    unwritable = Manifest(**{**vars(sample_manifest()), "backbone": float("nan")})

    with pytest.raises(ValueError, match="not JSON compliant"):
        manifest.dump(unwritable)
