"""``--on user@board``: a command that is carried out on a board, as if it were given there."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from calexnet import data
from calexnet.bench import reporting
from calexnet.bundle import open_bundle
from calexnet.data import npz
from calexnet.data.split import recorded_test_part
from calexnet.errors import InputError
from calexnet.export.pool.document import is_pool
from calexnet.remote.errand import Errand, carry_out
from calexnet.remote.parcel import Parcel, parcel
from calexnet.remote.ssh import Board

#: What every environment has: the reference's runtime, and what measures.
_ALWAYS = ("onnxruntime", "bench")

#: Arguments that mean this machine, and those that are written.
_HERE, _WRITTEN = ("on", "wheelhouse", "data_root"), ("out", "record")


def declare(parser: argparse.ArgumentParser) -> None:
    """Declare ``--on`` and ``--wheelhouse``."""
    parser.add_argument(
        "--on",
        metavar="USER@BOARD",
        help="do it on that machine, over ssh: calexnet goes there with what it reads, and the "
        "answer comes back",
    )
    parser.add_argument(
        "--wheelhouse",
        type=Path,
        metavar="DIR",
        help="with --on: folder of wheels for a board without a network",
    )


def run(arguments: argparse.Namespace, command: Sequence[str], *more: str) -> int:
    """Carry a command out on the board ``--on`` names, and return its exit code.

    Args:
        arguments: As parsed here.
        command: The words after ``python -Im`` that begin it there.
        more: Words to end it with.

    Raises:
        CalexnetError: Something is wrong with what it reads, or with the board.
    """
    if getattr(arguments, "power_csv", None) is not None:
        raise InputError("a meter's log on this machine is not read from a board", fix=_BY_HAND)
    board = Board(arguments.on)
    with tempfile.TemporaryDirectory() as scratch:
        parcels = _parcels(arguments, Path(scratch))
        changed: dict[str, Any] = dict.fromkeys(_HERE)
        home, out = _written(arguments, changed)

        def commands(there: Mapping[str, str]) -> list[list[str]]:
            rivals = [there[name] for name in sorted(there) if name.startswith("rival")]
            given = {name: there[name] for name in ("bundle", "data") if name in there}
            words = arguments.parser.spelled(arguments, {**changed, **given, "rival": rivals})
            return [[*command, *words, *more]]

        errand = Errand(
            commands=commands,
            parcels=parcels,
            extras=_extras(getattr(arguments, "target", None)),
            out=out,
            brought_to=home,
            marker=reporting.JSON,
        )
        return carry_out(board, errand, arguments.wheelhouse)


_BY_HAND = "Run the command on the board itself, with the log there (docs/boards.md)"


def _extras(target: str | None) -> tuple[str, ...]:
    """Return what a board needs for `target`, or for the processor's first choice."""
    return tuple(dict.fromkeys([*_ALWAYS, *([target] if target else [])]))


def _written(
    arguments: argparse.Namespace, changed: dict[str, Any]
) -> tuple[Path | None, PurePosixPath | None]:
    """Return where the answer goes here, and its name there, which goes into `changed` too."""
    for name in _WRITTEN:
        home: Path | None = getattr(arguments, name, None)
        if home is not None:
            inside = not home.is_absolute() and ".." not in home.parts
            changed[name] = out = PurePosixPath(home if inside else home.resolve().name)
            return home, out
    return None, None


def _parcels(arguments: argparse.Namespace, scratch: Path) -> dict[str, Parcel]:
    """Return what the command reads, looked at here first: a bundle, the images, rivals."""
    if not hasattr(arguments, "bundle"):
        return {}
    found = {"bundle": parcel(arguments.bundle)}
    if not is_pool(arguments.bundle):
        path = _test_part(arguments, scratch)
        found["data"] = parcel(path)
    for number, rival in enumerate(getattr(arguments, "rival", ())):
        found[f"rival {number:03}"] = parcel(rival)
    return found


def _test_part(arguments: argparse.Namespace, scratch: Path) -> Path:
    """Write the images that count to one file, and return it."""
    if arguments.data is None:
        raise InputError("there is nothing to measure on", expected="--data")
    content = open_bundle(arguments.bundle).manifest
    samples = data.load_alike(
        arguments.data, getattr(arguments, "data_root", None), content.preprocessing, content.split
    )
    samples.check_fits(content.preprocessing.image_shape, content.classes)
    if not getattr(arguments, "all_samples", False):
        samples = samples.take(recorded_test_part(samples, content.split))
    path = scratch / f"{Path(arguments.data).stem}.npz"
    npz.save(samples, path)
    return path
