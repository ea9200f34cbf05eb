"""Kinds of command-line arguments that several commands share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from calexnet import data
from calexnet.data.dataset import Dataset
from calexnet.errors import InputError
from calexnet.images.resizing import FORMS, Resize
from calexnet.registry import Allowed, from_working_folder, option_value

#: What ``--data`` takes, for help texts.
SOURCES = f"{', '.join(data.NAMED)}, a folder of images, or an .npz file"


def data_root(parser: argparse.ArgumentParser, *, download: bool = False) -> None:
    """Declare where named data sets lie: ``--data-root``, and ``--download`` if asked for."""
    parser.add_argument(
        "--data-root",
        type=Path,
        metavar="DIR",
        help="folder of the named data sets; by default what CALEXNET_DATA names",
    )
    if download:
        parser.add_argument(
            "--download", action="store_true", help="fetch a named data set that is not there"
        )


def group(parser: argparse.ArgumentParser) -> None:
    """Declare by what images belong together: ``--group``."""
    parser.add_argument(
        "--group",
        metavar="folder|COLUMN",
        help="images that belong together (frames of a clip, one patient) stay in one part: those "
        "of one folder below a class's, or of one value in this array of the .npz",
    )


def max_drop(parser: argparse.ArgumentParser, *aliases: str) -> None:
    """Declare how much accuracy may be lost, in points; parsed as a share: ``--max-drop``."""
    parser.add_argument(
        "--max-drop",
        *aliases,
        type=points,
        default=0.01,
        metavar="POINTS",
        help="points of accuracy that may be lost, by default 1",
    )


def allow(parser: argparse.ArgumentParser) -> None:
    """Declare whose own parts may be imported: ``--allow``."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="MODULE",
        help="import one's own parts that the data name from this package or module, any number; "
        "else only built-in ones are used",
    )


def allowed(arguments: argparse.Namespace, *typed: str) -> Allowed:
    """Return what ``--allow`` allows, and the packages of parts that were `typed` themselves.

    These are found in the working folder too.
    """
    own = [name.partition(":")[0].partition(".")[0] for name in typed if ":" in name]
    names = (*arguments.allow, *own)
    if names:
        from_working_folder()
    return Allowed(names)


def reading(parser: argparse.ArgumentParser) -> None:
    """Declare how images are read where a set is first met: ``--resize`` and ``--skip-bad``."""
    parser.add_argument(
        "--resize",
        type=size,
        metavar="SIZE",
        help=f"bring images to size, and record it: {FORMS}; by default all "
        "are of one size already",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave out image files that cannot be read, and record it",
    )


def size(text: str) -> Resize:
    """Return how to bring images to size from ``224`` or ``shorter:256,crop:224``."""
    try:
        return Resize.parse(text)
    except InputError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None


def tell(samples: Dataset) -> None:
    """Say on standard error what a user should know of how a set was read."""
    for line in samples.sentences():
        print(line, file=sys.stderr)


def integers(text: str) -> tuple[int, ...]:
    """Return rising positive integers from ``1,2,4``."""
    try:
        numbers = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError:
        numbers = ()
    if not numbers or numbers[0] < 1:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected positive whole numbers, for example 1,2,4"
        )
    return numbers


def points(text: str) -> float:
    """Return the share that ``1`` (percentage points) stands for."""
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found <= 100:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected 0 to 100 points")
    return found / 100


def share(text: str) -> float:
    """Return the share that ``2%`` stands for."""
    try:
        found = float(text.removesuffix("%")) / 100 if text.endswith("%") else 0.0
    except ValueError:
        found = 0.0
    if not 0 < found <= 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a share, for example 2%")
    return found


def count(text: str) -> int:
    """Return a positive whole number."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected a positive whole number")
    return int(text)


def seeds(text: str) -> tuple[int, ...]:
    """Return whole numbers from ``0,1,2``, each once."""
    numbers = text.split(",")
    if not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"got {text!r}; expected whole numbers, for example 0,1,2")
    return tuple(dict.fromkeys(int(number) for number in numbers))


def floats(text: str) -> tuple[float, ...]:
    """Return numbers from ``0,0.01``."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected numbers, for example 0,0.01"
        ) from None


def names(text: str) -> tuple[str, ...]:
    """Return names from ``layer1,layer2``."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def option(text: str) -> tuple[str, Any]:
    """Return a switch and its value from ``name=value``: a number, true, false, or a word."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"got {text!r}; expected name=value")
    return name, option_value(value)
