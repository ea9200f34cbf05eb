"""What goes to a board is named by its content."""

from __future__ import annotations

from pathlib import Path

from calexnet.remote.parcel import parcel
from calexnet.remote.wheel import hash_of

ROOT = Path(__file__).resolve().parents[2]


def test_a_parcel_is_named_by_names_and_bytes(tmp_path: Path) -> None:
    one, two = tmp_path / "1/bundle", tmp_path / "2/bundle"
    for folder in (one, two):
        (folder / "inner").mkdir(parents=True)
        (folder / "inner/graph").write_bytes(b"graph")
    assert parcel(one).digest == parcel(two).digest
    assert 5 == parcel(one).size
    assert f"/r/content/{parcel(one).digest}/bundle" == parcel(one).there("/r")

    (two / "inner/graph").rename(two / "inner/other")
    assert parcel(one).digest != parcel(two).digest


def test_a_source_hash_changes_with_a_file_and_not_with_what_is_derived(tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    (clone / "calexnet/__pycache__").mkdir(parents=True)
    (clone / "calexnet/a.py").write_text("a = 1\n")
    before = hash_of(clone)
    (clone / "calexnet/__pycache__/a.pyc").write_bytes(b"derived")
    assert before == hash_of(clone)

    (clone / "calexnet/a.py").write_text("a = 2\n")
    assert before != hash_of(clone)
