"""The published JSON Schema is the manifest's form: real bundles fit it, damaged ones do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from calexnet import manifest
from calexnet.files import manifest_schema
from tests.support.onnx_bundle import write_bundle
from tests.support.sample_bundle import sample_manifest

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    kind = jsonschema.Draft202012Validator
    published = json.loads(manifest_schema.PATH.read_text("utf-8"))
    kind.check_schema(published)
    return kind(published)


def test_the_file_is_the_dataclasses() -> None:
    """To renew it: python -m calexnet.files.manifest_schema > calexnet/manifest.schema.json."""
    assert manifest_schema.text() == manifest_schema.PATH.read_text("utf-8")


def test_every_field_of_the_manifest_is_described() -> None:
    document = manifest_schema.document()

    for name, field in document["properties"].items():
        assert field["description"], name


def test_a_trained_bundle_of_every_build_fits(validator: Any, small_narrow_bundle: Path) -> None:
    document = json.loads((small_narrow_bundle / "manifest.json").read_text("utf-8"))

    assert 1 < len(document["compiled"])
    validator.validate(document)


def test_hand_made_ones_fit(validator: Any, tmp_path: Path) -> None:
    validator.validate(json.loads(manifest.dump(write_bundle(tmp_path / "bundle"))))
    validator.validate(json.loads(manifest.dump(sample_manifest())))


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.pop("sha256"),
        lambda d: d.update(sha256="0"),
        lambda d: d.update(schema=3),
        lambda d: d.update(note="unknown"),
        lambda d: d["compiled"][0]["segments"][0]["file"].pop("size"),
        lambda d: d["compiled"][0]["segments"][0]["inputs"][0].update(shape=[None]),
        lambda d: d["preprocessing"].update(input="int4"),
        lambda d: d["operating_points"][0]["thresholds"][0].append("never"),
    ],
)
def test_what_python_refuses_does_not_fit(
    validator: Any, change: Callable[[dict[str, Any]], object]
) -> None:
    document = json.loads(manifest.dump(sample_manifest()))
    change(document)

    assert not validator.is_valid(document)
