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
from calexnet.cli import engines
from calexnet.data import npz
from calexnet.data.split import recorded_test_part
from calexnet.errors import InputError
from calexnet.export.pool.document import is_pool
from calexnet.remote.errand import Errand, carry_out
from calexnet.remote.parcel import Parcel, parcel
from calexnet.remote.ssh import Board
from calexnet.runtimes.loading import RUNTIMES

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


def run(
    arguments: argparse.Namespace, command: Sequence[str], *more: str, wished: Sequence[str] = ()
) -> int:
    """Carry a command out on the board ``--on`` names, and return its exit code.

    Args:
        arguments: As parsed here.
        command: The words after ``python -Im`` that begin it there.
        more: Words to end it with.
        wished: Extras that it does without where they cannot be had.

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
            return [*_before(arguments, given), [*command, *words, *more]]

        errand = Errand(
            commands=commands,
            parcels=parcels,
            extras=_extras(arguments),
            wished=(*_wished(arguments), *wished),
            out=out,
            brought_to=home,
            marker=reporting.JSON,
        )
        return carry_out(board, errand, arguments.wheelhouse)


_BY_HAND = "Run the command on the board itself, with the log there (docs/boards.md)"


def _before(arguments: argparse.Namespace, given: Mapping[str, str]) -> list[list[str]]:
    """Return the commands that have to come first: engines are built where they run."""
    if getattr(arguments, "target", None) != engines.TARGET:
        return []
    precision = [arguments.precision] if arguments.precision else []
    return [[engines.__name__, given["bundle"], *precision]]


def _extras(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return what the board has to have; a target that is unknown is refused by the command."""
    target = getattr(arguments, "target", None)
    return tuple(dict.fromkeys([*_ALWAYS, *([target] if target in RUNTIMES else [])]))


def _wished(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the runtimes that the bundle is compiled for, where none is asked for.

    TensorRT's are of use where its engines were built.
    """
    path: Path | None = getattr(arguments, "bundle", None)
    if path is None or is_pool(path) or getattr(arguments, "target", None):
        return ()
    targets = dict.fromkeys(build.target for build in open_bundle(path).manifest.compiled)
    return tuple(target for target in targets if target not in (*_ALWAYS, engines.TARGET))


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
