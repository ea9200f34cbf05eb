"""What goes to a board is named by its content."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

from calexnet.remote.parcel import parcel
from calexnet.remote.wheel import hash_of, installed_files, packed, sources


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
    before = hash_of(clone, sources(clone))
    (clone / "calexnet/__pycache__/a.pyc").write_bytes(b"derived")
    assert before == hash_of(clone, sources(clone))

    (clone / "calexnet/a.py").write_text("a = 2\n")
    assert before != hash_of(clone, sources(clone))


def test_an_installed_calexnet_is_packed_as_the_wheel_it_came_from(tmp_path: Path) -> None:
    """A small one, put in place by pip, packed, and put in place by pip again."""
    information = "calexnet-0.1.0.dist-info"
    first = tmp_path / "first"
    (first / "calexnet").mkdir(parents=True)
    (first / "calexnet/__init__.py").write_text("a = 1\n")
    (first / information).mkdir()
    (first / information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: calexnet\nVersion: 0.1.0\n"
    )
    (first / information / "WHEEL").write_text(
        "Wheel-Version: 1.0\nGenerator: none\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    )
    (first / information / "INSTALLER").write_text("pip\n")
    (first / information / "RECORD").write_text(
        f"calexnet/__init__.py,,\ncalexnet/__pycache__/a.pyc,,\n../bin/calexnet,,\n"
        f"{information}/METADATA,,\n{information}/WHEEL,,\n{information}/INSTALLER,,\n"
        f"{information}/RECORD,,\n"
    )
    found = metadata.Distribution.at(first / information)

    wheel = packed(first, installed_files(found, first), tmp_path)

    second = tmp_path / "second"
    words = ["pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(second)]
    subprocess.run([sys.executable, "-Im", *words, str(wheel)], check=True)
    assert "a = 1\n" == (second / "calexnet/__init__.py").read_text()
    assert {"METADATA", "WHEEL", "RECORD", "INSTALLER"} <= {
        path.name for path in (second / information).iterdir()
    }
