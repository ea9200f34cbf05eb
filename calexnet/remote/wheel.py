"""This very calexnet as a wheel, named by a hash of its sources: versions tell too little."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calexnet.errors import InputError
from calexnet.files.storage import file_sha256

#: What a wheel is made of, in a clone.
_SOURCES = (
    *("pyproject.toml", "README.md", "LICENSE", "MANIFEST.in"),
    *("calexnet", "bench", "devices", "export", "runtimes"),
)


@dataclass(frozen=True)
class Wheel:
    """A wheel on this machine.

    Attributes:
        path: The file.
        source_hash: Of what it is made of, 16 hexadecimal digits.
    """

    path: Path
    source_hash: str


def this_calexnet() -> Wheel:
    """Return the wheel of the calexnet that runs, made now or by an earlier call.

    Raises:
        InputError: It runs from no clone, or the wheel cannot be built.
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "pyproject.toml").is_file():
        raise InputError(
            "there are no sources to make a wheel for the board from",
            got=f"calexnet installed in {root}",
            expected="a clone",
            fix="In a clone: pip install --editable .",
        )
    found = hash_of(root)
    folder = _cache() / found
    if not list(folder.glob("*.whl")):
        _build(root, folder)
    return Wheel(next(folder.glob("*.whl")), found)


def hash_of(root: Path) -> str:
    """Return a hash of the names and bytes of all that a wheel is made of."""
    digest = hashlib.sha256()
    for path in _files(root):
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def _files(root: Path) -> Iterator[Path]:
    for name in _SOURCES:
        if (root / name).is_file():
            yield root / name
        for place, below, files in os.walk(root / name):
            below[:] = sorted(
                child
                for child in below
                if child != "__pycache__" and not (Path(place) / child).is_symlink()
            )
            yield from (Path(place) / file for file in sorted(files))


def _build(root: Path, folder: Path) -> None:
    """Build from a copy: a clone's own ``build`` may hold what is there no more."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        clone, wheels = Path(scratch, "clone"), Path(scratch, "wheels")
        for path in _files(root):
            place = clone / path.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
        words = ["-Im", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels)]
        done = subprocess.run(
            [sys.executable, *words, str(clone)], capture_output=True, text=True, check=False
        )
        if done.returncode:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            raise InputError(
                "the wheel for the board cannot be built",
                got=said[-1],
                fix=f"Try by hand: pip wheel --no-deps {root}",
            )
        if not folder.exists():
            wheels.replace(folder)


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "calexnet" / "wheels"
