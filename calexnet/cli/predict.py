"""``calexnet predict``: a bundle and images in; label, score, exit and time out."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from calexnet import arguments as kinds
from calexnet import data, runtimes
from calexnet.data import image
from calexnet.errors import InputError
from calexnet.images.preprocessing import Preprocessing
from calexnet.manifest import Manifest
from calexnet.runtimes import Runner

HELP = "Answer images with an exported cascade."

Named = tuple[str, NDArray[np.uint8]]


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bundle", type=Path, help="what calexnet-export wrote")
    parser.add_argument("images", nargs="*", type=Path, help="image files")
    parser.add_argument("--data", help=f"take images from a data set instead: {kinds.SOURCES}")
    kinds.data_root(parser)
    parser.add_argument("--index", type=_positions, default=(0,), help="which of them: 42 or 1,2,3")
    parser.add_argument(
        "--resize",
        action="store_true",
        help="bring image files to size, where the training did not; else it is done as there",
    )
    parser.add_argument("--target", help="runtime; the first that works here by default")
    parser.add_argument("--precision", help="the target's first by default")
    parser.add_argument("--provider", help="the runtime's back end: cpu (default), cuda, tensorrt")
    parser.add_argument("--threads", type=int, help="all cores by default")
    parser.add_argument("--operating-point", help="the bundle's default by default")


def run(arguments: argparse.Namespace) -> int:
    """Answer each image by itself and print a line for it."""
    runner = runtimes.load(
        arguments.bundle,
        target=arguments.target,
        precision=arguments.precision,
        provider=arguments.provider,
        threads=arguments.threads,
        operating_point=arguments.operating_point,
    )
    images = _images(arguments, runner.bundle.manifest)
    width = max(len("image"), *(len(name) for name, _ in images))
    print(f"{'image':<{width}}  label         score   exit            time")
    for name, pixels in images:
        print(f"{name:<{width}}  {_answer(runner, pixels)}")
    return 0


def _answer(runner: Runner, pixels: NDArray[np.uint8]) -> str:
    preprocessing = runner.preprocessing
    batch = preprocessing.as_input(pixels[None])
    runner(batch)  # the first call pays for the runtime's own preparations
    start = time.perf_counter()
    result = runner(batch)
    elapsed_ms = (time.perf_counter() - start) * 1e3
    number = int(result.exits[0])
    attach = [branch.attach for branch in runner.bundle.manifest.branches]
    where = f"{number} ({[*attach, 'backbone'][number - 1]})"
    label = runner.classes[result.labels[0]]
    return f"{label:<12}  {result.scores[0]:.3f}   {where:<14}  {elapsed_ms:.3f} ms"


def _images(arguments: argparse.Namespace, manifest: Manifest) -> list[Named]:
    if bool(arguments.images) == bool(arguments.data):
        raise InputError(
            "nothing to answer, or two kinds of it",
            expected="either image files or --data",
            fix="For example: calexnet predict bundles/digits --data digits --index 42",
        )
    if arguments.data:
        return _from_data(arguments, manifest)
    preprocessing = manifest.preprocessing
    return [_from_file(path, preprocessing, arguments.resize) for path in arguments.images]


def _from_data(arguments: argparse.Namespace, manifest: Manifest) -> list[Named]:
    source, indices = arguments.data, arguments.index
    preprocessing = manifest.preprocessing
    samples = data.load_alike(source, arguments.data_root, preprocessing, manifest.split)
    for index in indices:
        if not 0 <= index < len(samples):
            raise InputError(
                f"{source} has no such image", got=index, expected=f"0 to {len(samples) - 1}"
            )
    return [
        (f"{source}[{i}], in truth {samples.classes[samples.labels[i]]}", samples.images[i])
        for i in indices
    ]


def _from_file(path: Path, preprocessing: Preprocessing, resize: bool) -> Named:
    height, width, _ = preprocessing.image_shape
    picture = image.read(path)
    pixels = picture.pixels
    if picture.turned:
        print(f"{path}: turned as its EXIF says", file=sys.stderr)
    if resize or preprocessing.resize is not None:
        (pixels,) = preprocessing.resized([pixels])
    if pixels.shape != preprocessing.image_shape:
        raise InputError(
            f"{path} does not fit this cascade",
            got=f"{pixels.shape[1]}x{pixels.shape[0]} pixels",
            expected=f"{width}x{height}",
            fix="Bring it to size first, or add --resize",
        )
    return str(path), pixels


def _positions(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"got {text!r}; expected whole numbers, for example 42 or 1,2,3"
        ) from None
