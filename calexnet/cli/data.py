"""``calexnet data``: any data set, or a part of it, to one ``.npz`` file to take to a board."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from calexnet import arguments as kinds
from calexnet import data
from calexnet.data.dataset import Dataset
from calexnet.data.rule import PARTS
from calexnet.data.split import divide, thin
from calexnet.errors import InputError

HELP = "Write a data set, or a part of it, to one .npz file, for example to take it to a board."


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("source", help=kinds.SOURCES)
    parser.add_argument("--out", required=True, type=Path, help="the .npz file to write")
    kinds.data_root(parser, download=True)
    kinds.reading(parser)
    parser.add_argument("--part", choices=PARTS, help="only what the split puts there")
    parser.add_argument("--split", metavar="RULE", help="the rule given to calexnet train, if any")
    kinds.group(parser)
    parser.add_argument("--seed", type=int, default=0, help="the one given to calexnet train")
    parser.add_argument(
        "--limit",
        type=kinds.count,
        metavar="N",
        help="at most N images, drawn by hash; calexnet-bench takes them with --all-samples only",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the file and say what is in it."""
    from calexnet.data import npz

    if arguments.out.suffix.lower() != ".npz":
        raise InputError("cannot write a data set", got=arguments.out, expected="a name.npz")
    if (arguments.split or arguments.group) and arguments.part is None:
        raise InputError(
            "a split without a part of it", fix="Add --part test, or leave out --split and --group"
        )
    whole = data.load(
        arguments.source,
        arguments.data_root,
        download=arguments.download,
        resize=arguments.resize,
        skip_bad=arguments.skip_bad,
    )
    kinds.tell(whole)
    samples = _chosen(whole, arguments)
    npz.save(samples, arguments.out)
    height, width, channels = samples.images.shape[1:]
    print(
        f"{arguments.out}: {len(samples)} images of {width}x{height}x{channels}, "
        f"{len(samples.classes)} classes"
    )
    return 0


def _chosen(samples: Dataset, arguments: argparse.Namespace) -> Dataset:
    rows = np.arange(len(samples))
    if arguments.part is not None:
        rows = divide(samples, arguments.seed, arguments.split, arguments.group).indices[
            arguments.part
        ]
    if arguments.limit is not None:
        rows = thin(samples, rows, arguments.limit, arguments.seed)
    return samples if len(rows) == len(samples) else samples.take(rows)
