"""A bundle on disk: everything in it is checked, and every damage is told by name."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from calexnet import manifest
from calexnet.bundle import Bundle, open_bundle
from calexnet.errors import BundleError
from calexnet.manifest import MANIFEST, FileRecord
from tests.support.sample_bundle import FILES, sample_manifest, write_bundle

SEGMENT = "onnxruntime/fp32/segment1.onnx"
COPY_AGAIN = r"\. Copy the bundle again from where it was made, or export it again\.$"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole bundle."""
    folder = tmp_path / "bundle"
    write_bundle(folder, sample_manifest())
    return folder


def list_instead(folder: Path, path: str) -> None:
    """Sign a manifest that lists `path` where it listed the first segment."""
    content = sample_manifest()
    build, *others = content.compiled
    first, *rest = build.segments
    file = dataclasses.replace(first.file, path=path)
    segments = (dataclasses.replace(first, file=file), *rest)
    builds = (dataclasses.replace(build, segments=segments), *others)
    changed = dataclasses.replace(content, compiled=builds)
    (folder / MANIFEST).write_bytes(manifest.dump(changed))


def test_a_whole_bundle_opens_with_its_manifest_and_name(folder: Path) -> None:
    bundle = open_bundle(folder)

    identity = json.loads((folder / MANIFEST).read_bytes())["sha256"]
    assert Bundle(folder, sample_manifest(), identity) == bundle
    assert list(FILES.values()) == [bundle.read(record) for record in bundle.manifest.files()]


def test_a_copied_bundle_opens_under_a_relative_path(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.rename(folder.with_name("moved"))
    monkeypatch.chdir(folder.parent)

    assert sample_manifest() == open_bundle(Path("moved")).manifest


def test_a_bundle_behind_a_link_opens(folder: Path) -> None:
    link = folder.with_name("link")
    link.symlink_to("bundle")

    assert sample_manifest() == open_bundle(link).manifest


def remove(folder: Path) -> None:
    (folder / SEGMENT).unlink()


def cut(folder: Path) -> None:
    (folder / SEGMENT).write_bytes(FILES[SEGMENT][:-1])


def change_byte(folder: Path) -> None:
    (folder / SEGMENT).write_bytes(b"O" + FILES[SEGMENT][1:])


def make_folder(folder: Path) -> None:
    (folder / SEGMENT).unlink()
    (folder / SEGMENT).mkdir()


def alter_manifest(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace("layer1", "layer2"))


def change_schema(folder: Path) -> None:
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"schema": 2', '"schema": 1'))


def cut_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes((folder / MANIFEST).read_bytes()[:-10])


def remove_manifest(folder: Path) -> None:
    (folder / MANIFEST).unlink()


def add_file(folder: Path) -> None:
    (folder / "onnxruntime" / "payload.so").touch()


def add_hidden_file(folder: Path) -> None:
    (folder / ".payload").touch()


def add_dangling_link(folder: Path) -> None:
    (folder / "payload").symlink_to("nowhere")


def add_link_to_a_folder(folder: Path) -> None:
    (folder.parent / "elsewhere").mkdir()
    (folder.parent / "elsewhere" / "payload.so").touch()
    (folder / "payload").symlink_to(folder.parent / "elsewhere")


def list_absolute(folder: Path) -> None:
    list_instead(folder, str(folder.resolve() / SEGMENT))


def list_parent(folder: Path) -> None:
    list_instead(folder, f"../bundle/{SEGMENT}")


def list_inner_parent(folder: Path) -> None:
    list_instead(folder, f"tensorrt/../{SEGMENT}")


def list_null(folder: Path) -> None:
    list_instead(folder, "onnxruntime/\0")


def list_other_spelling(folder: Path) -> None:
    list_instead(folder, f"./{SEGMENT}")


def link_file_outside(folder: Path) -> None:
    (folder / SEGMENT).rename(folder.parent / "outside.onnx")
    (folder / SEGMENT).symlink_to("../../../outside.onnx")


def link_folder_outside(folder: Path) -> None:
    (folder / "tensorrt").rename(folder.parent / "tensorrt")
    (folder / "tensorrt").symlink_to("../tensorrt")


def link_to_itself(folder: Path) -> None:
    (folder / SEGMENT).unlink()
    (folder / SEGMENT).symlink_to("segment1.onnx")


LEAVES = r"^a path in .*bundle/manifest\.json leaves the bundle: got '{}'; expected a path below "
LEAVES += r"the bundle's folder\. Do not use this bundle; get it again from where it was made\.$"
UNLISTED = r"^.*bundle holds a file that its manifest does not list: got '{}'; expected only "
UNLISTED += r"listed files\. Remove that file, or copy the bundle again\.$"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (remove, rf"^cannot read .*{SEGMENT}: got No such file or directory{COPY_AGAIN}"),
        (make_folder, rf"^cannot read .*{SEGMENT}: got Is a directory{COPY_AGAIN}"),
        (cut, rf"^.*{SEGMENT} was cut or changed: got 24 bytes; expected 25{COPY_AGAIN}"),
        (
            change_byte,
            rf"^.*{SEGMENT} was changed: got SHA-256 [0-9a-f]{{12}}\.\.\.; "
            rf"expected [0-9a-f]{{12}}\.\.\.{COPY_AGAIN}",
        ),
        (alter_manifest, r"^.*bundle/manifest\.json was altered: got content with SHA-256 "),
        (change_schema, r"^.*bundle/manifest\.json is of another schema: got 1; expected 2\."),
        (cut_manifest, r"^.*bundle/manifest\.json is not JSON: got "),
        (
            remove_manifest,
            r"^.*bundle is not a bundle: got no manifest\.json; expected what calexnet-export "
            r"writes\. Make one, for example: calexnet-export ",
        ),
        (add_file, UNLISTED.format(r"onnxruntime/payload\.so")),
        (add_hidden_file, UNLISTED.format(r"\.payload")),
        (add_dangling_link, UNLISTED.format("payload")),
        (add_link_to_a_folder, UNLISTED.format("payload")),
        (list_absolute, LEAVES.format(f"/.*{SEGMENT}")),
        (list_parent, LEAVES.format(rf"\.\./bundle/{SEGMENT}")),
        (list_inner_parent, LEAVES.format(rf"tensorrt/\.\./{SEGMENT}")),
        (list_null, re.escape(r"onnxruntime/\x00")),
        (list_other_spelling, UNLISTED.format(SEGMENT)),
        (link_file_outside, LEAVES.format(SEGMENT)),
        (link_folder_outside, LEAVES.format(r"tensorrt/fp16/segment1\.engine")),
        (link_to_itself, SEGMENT),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_damage_is_refused_by_name(
    folder: Path, damage: Callable[[Path], None], message: str
) -> None:
    damage(folder)

    with pytest.raises(BundleError, match=message):
        open_bundle(folder)


def test_a_folder_that_is_not_there_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"none is not a bundle: got no such folder; expected "):
        open_bundle(tmp_path / "none")


def test_a_file_is_no_bundle(folder: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json is not a bundle: got no manifest\.json"):
        open_bundle(folder / MANIFEST)


def test_a_file_that_changed_after_opening_is_not_handed_out(folder: Path) -> None:
    bundle = open_bundle(folder)
    change_byte(folder)

    with pytest.raises(BundleError, match="was changed: got SHA-256"):
        bundle.read(bundle.manifest.compiled[0].segments[0].file)


def test_a_file_is_judged_by_its_own_record(folder: Path) -> None:
    data = FILES[SEGMENT]

    with pytest.raises(BundleError, match=r"was cut or changed: got 25 bytes; expected 26"):
        open_bundle(folder).read(FileRecord(SEGMENT, "0" * 64, len(data) + 1))


@pytest.mark.parametrize(
    ("target", "precision", "found"),
    [("onnxruntime", None, 0), ("onnxruntime", "int8", 1), ("tensorrt", None, 2)],
)
def test_a_build_is_found_by_target_and_precision_the_first_unless_told(
    folder: Path, target: str, precision: str | None, found: int
) -> None:
    bundle = open_bundle(folder)

    assert bundle.manifest.compiled[found] == bundle.compiled(target, precision)


@pytest.mark.parametrize(
    ("target", "precision", "wanted"),
    [("tflite", None, "tflite"), ("tensorrt", "int8", "tensorrt --precision int8")],
)
def test_a_build_that_is_not_there_is_refused_with_what_is_and_how_to_add_it(
    folder: Path, target: str, precision: str | None, wanted: str
) -> None:
    with pytest.raises(
        BundleError,
        match=rf"bundle holds no {wanted.replace('--precision ', '')}: got onnxruntime fp32, "
        r"onnxruntime int8, tensorrt fp16\. "
        rf"Add it with: calexnet-export {folder} --target {wanted}\.$",
    ):
        open_bundle(folder).compiled(target, precision)


def test_a_bundle_that_a_killed_export_had_moved_away_is_opened_in_its_place(
    tmp_path: Path,
) -> None:
    """An app must start after a power cut, on a file system that cannot swap folders."""
    write_bundle(tmp_path / "board", sample_manifest())
    (tmp_path / "board").rename(tmp_path / ".board.123.replaced")

    open_bundle(tmp_path / "board")

    assert ["board"] == [path.name for path in tmp_path.iterdir()]
