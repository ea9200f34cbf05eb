"""``calexnet data``: any data set to one ``.npz`` file, to take to a board."""

from __future__ import annotations

import argparse
from pathlib import Path

from calexnet import data
from calexnet.errors import InputError

HELP = "Write a data set to one .npz file, for example to take it to a board."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", help="digits, a folder of images, or an .npz file")
    parser.add_argument("--out", required=True, type=Path, help="the .npz file to write")


def run(arguments: argparse.Namespace) -> int:
    """Write the file and say what is in it."""
    from calexnet.data import npz

    if arguments.out.suffix != ".npz":
        raise InputError("cannot write a data set", got=arguments.out, expected="a name.npz")
    samples = data.load(arguments.source)
    npz.save(samples, arguments.out)
    height, width, channels = samples.images.shape[1:]
    print(
        f"{arguments.out}: {len(samples)} images of {width}x{height}x{channels}, "
        f"{len(samples.classes)} classes"
    )
    return 0
