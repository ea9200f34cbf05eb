"""This very calexnet as a wheel, named by a hash of its sources: versions tell too little."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
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
        InputError: The wheel cannot be built.
    """
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").is_file():
        files, make = list(sources(root)), _build
    else:
        files, make = installed_files(metadata.distribution("calexnet"), root), packed
    found = hash_of(root, files)
    folder = _cache() / found
    if not list(folder.glob("*.whl")):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            made = make(root, files, Path(scratch))
            folder.mkdir(exist_ok=True)
            made.replace(folder / made.name)
    return Wheel(next(folder.glob("*.whl")), found)


def installed_files(found: metadata.Distribution, root: Path) -> list[Path]:
    """Return what of an installed calexnet came out of its wheel.

    Args:
        found: The installed one.
        root: Where packages lie, such as ``site-packages``.
    """
    made_here = ("RECORD", "INSTALLER", "REQUESTED", "direct_url.json")
    return sorted(
        root / file
        for file in found.files or ()
        if ".." not in file.parts and "__pycache__" not in file.parts and file.name not in made_here
    )


def packed(root: Path, files: Sequence[Path], folder: Path) -> Path:
    """Write the wheel that an installed calexnet came out of to `folder`, and return its path."""
    path = folder / f"calexnet-{metadata.version('calexnet')}-py3-none-any.whl"
    record = []
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            name, content = file.relative_to(root).as_posix(), file.read_bytes()
            archive.writestr(name, content)
            digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode()
            record.append(f"{name},sha256={digest.rstrip('=')},{len(content)}\n")
        information = next(file.parent.name for file in files if file.name == "WHEEL")
        name = f"{information}/RECORD"
        archive.writestr(name, "".join([*record, f"{name},,\n"]))
    return path


def hash_of(root: Path, files: Iterable[Path]) -> str:
    """Return a hash of the names and bytes of all that a wheel is made of."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(root).as_posix()}\0{file_sha256(path)}\n".encode())
    return digest.hexdigest()[:16]


def sources(root: Path) -> Iterator[Path]:
    """Yield what a clone's wheel is made of."""
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


def _build(root: Path, files: Sequence[Path], folder: Path) -> Path:
    """Build from a copy: a clone's own ``build`` may hold what is there no more."""
    clone, wheels = folder / "clone", folder / "wheels"
    for path in files:
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
    return next(wheels.glob("*.whl"))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "calexnet" / "wheels"
