"""``calexnet seal``: the hash that fits, after a deliberate edit."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from calexnet import manifest
from calexnet.errors import InputError
from calexnet.files import jsontext, selfhash
from calexnet.files.storage import regular_bytes, staged_file
from calexnet.manifest import MANIFEST

HELP = "Give a manifest, run or plan that was edited on purpose the hash that fits it."

_RUN = "cascade.json"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("path", type=Path, help="a bundle, a run, or a JSON file such as a plan")


def run(arguments: argparse.Namespace) -> int:
    """Write the hash of the document as it is now, and say so."""
    path = _document_of(arguments.path)
    data = _bytes_of(path)
    document = _parsed(data, path)
    new = selfhash.resealed(data, document)
    identity = jsontext.parse(new)[selfhash.FIELD]
    if path.name == MANIFEST:
        manifest.parse(new, str(path))  # what is no manifest is not sealed
    if new == data:
        print(f"{path} has the hash that fits already: {identity}")
        return 0
    with staged_file(path) as stage:
        stage.write_bytes(new)
    print(f"{path}: sealed with {identity}")
    print("This tells changes by mistake, not who made them; and it is another one than it was:")
    print("plans, and bundles of a run, that name the old hash no longer fit.")
    return 0


def _document_of(path: Path) -> Path:
    """Return the file with the hash.

    Raises:
        InputError: A folder without such a file.
    """
    if not path.is_dir():
        return path
    for name in (MANIFEST, _RUN):
        if (path / name).is_file():
            return path / name
    raise InputError(
        f"{path} holds nothing to seal", got=f"no {MANIFEST}, no {_RUN}", expected="a bundle or run"
    )


def _bytes_of(path: Path) -> bytes:
    try:
        return regular_bytes(path, jsontext.MOST_BYTES)
    except (OSError, ValueError) as problem:
        raise InputError(f"cannot read {path}", got=problem) from problem


def _parsed(data: bytes, path: Path) -> dict[str, Any]:
    try:
        document = jsontext.parse(data)
    except ValueError as problem:
        raise InputError(f"{path} is not JSON", got=problem) from problem
    if not isinstance(document, dict):
        raise InputError(
            f"{path} carries no hash", got=type(document).__name__, expected="a JSON object"
        )
    return document
