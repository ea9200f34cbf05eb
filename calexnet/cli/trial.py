"""``calexnet try``: the cascade that comes with calexnet, on real images, in a minute."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import calexnet
from calexnet import data, runtimes
from calexnet.bench.measuring.timing import Method, Work, interleave
from calexnet.bench.model.statistics import Comparison, compare
from calexnet.bundle import Bundle
from calexnet.certify import counts, upper_bound
from calexnet.data.dataset import Dataset
from calexnet.progress import Progress
from calexnet.runtimes import Result, Runner

HELP = "Try the small cascade that comes with calexnet: predict, see exits, time it against plain."

#: A bundle and the images that it is tested on; ``make trial`` makes both.
FOLDER = Path(calexnet.__file__).parent / "trial"
_BUNDLE, _IMAGES = FOLDER / "bundle", FOLDER / "digits.npz"

_BLOCKS, _CALLS = 40, 25
#: From dark to light; two letters a pixel are about square in a terminal.
_GREYS = " .:-=+*#%@"
_STEP, _BAR = 4, 40


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--target", help="runtime; the first that works here by default")


def run(arguments: argparse.Namespace) -> int:
    """Print pictures with their answers, exits, accuracy with its promise, and times."""
    cascade = runtimes.load(_BUNDLE, target=arguments.target, threads=1)
    samples = data.load_alike(
        str(_IMAGES), None, cascade.preprocessing, cascade.bundle.manifest.split
    )
    result, plain = cascade(samples.images), cascade.plain(samples.images)
    print(_introduction(cascade.bundle))
    print(_pictures(samples, result))
    print(_exits(result, _names(cascade)))
    print(_accuracy(samples.labels, result, plain))
    print(_times(_timed(cascade, samples.images)))
    print(_next())
    return 0


def _introduction(bundle: Bundle) -> str:
    places = ", ".join(branch.attach for branch in bundle.manifest.branches)
    return (
        f"A {bundle.manifest.backbone} with an early exit after {places}, trained on "
        "scikit-learn's digits.\n"
    )


def _names(cascade: Runner) -> list[str]:
    """Return what each exit is called."""
    return [*(f"after {b.attach}" for b in cascade.bundle.manifest.branches), "whole network"]


def _pictures(samples: Dataset, result: Result) -> str:
    """Return an image of each exit side by side, the surest of the first and the least sure."""
    order = np.lexsort((result.scores, result.exits))
    shown = [int(order[place]) for place in (len(order) // 2, -1)]
    rows = zip(*(_drawn(samples.images[place]) for place in shown), strict=True)
    heads = [
        f"a {samples.classes[result.labels[place]]}, out at exit {result.exits[place]}, "
        f"score {result.scores[place]:.2f}"
        for place in shown
    ]
    return "\n".join("  ".join(f"{cell:<34}" for cell in row).rstrip() for row in (heads, *rows))


def _drawn(image: NDArray[np.uint8]) -> list[str]:
    grey = image.mean(axis=2)[_STEP // 2 :: _STEP, _STEP // 2 :: _STEP]
    levels = (grey * (len(_GREYS) - 1) / 255).round().astype(int)
    return ["".join(_GREYS[level] * 2 for level in row) for row in levels]


def _exits(result: Result, names: list[str]) -> str:
    shares = [float((result.exits == number).mean()) for number in range(1, len(names) + 1)]
    width = max(map(len, names))
    lines = [
        f"  {name:<{width}}  {share:6.1%}  {'#' * round(share * _BAR)}"
        for name, share in zip(names, shares, strict=True)
    ]
    return "\n".join([f"\n{len(result.exits)} test images, and where they leave:", *lines])


def _accuracy(truth: NDArray[np.int64], result: Result, plain: Result) -> str:
    right, before = result.labels == truth, plain.labels == truth
    most = upper_bound(counts(before, right))
    return (
        f"\nRight on {right.mean():.1%} of them; the whole network alone on {before.mean():.1%}. "
        f"With 95 % confidence it loses at most {most * 100:.1f} points on images like these."
    )


def _timed(cascade: Runner, images: NDArray[np.uint8]) -> Comparison:
    """Return ms of single images through the plain network and the cascade, interleaved."""
    singles = [images[i : i + 1] for i in range(len(images))]
    work = {
        "plain": Work(lambda number: lambda: cascade.plain(singles[number % len(singles)]), 1),
        "ours": Work(lambda number: lambda: cascade(singles[number % len(singles)]), 1),
    }
    tasks = {name: one.task(_CALLS, _BLOCKS) for name, one in work.items()}
    with Progress("timing, blocks", _BLOCKS) as progress:
        spent = interleave(tasks, Method(_BLOCKS), after_block=lambda block: progress.advance())
    return compare(spent["plain"].ms(), spent["ours"].ms(), seed=0)


def _times(found: Comparison) -> str:
    ratio = found.ratio
    said = {
        "cascade": "the cascade is faster here",
        "plain": "the plain network is faster here",
        "unclear": "too close to call here; try it on a quiet machine",
    }[found.verdict]
    return (
        f"One image at a time, one thread: {found.ours:.3f} ms, the whole network "
        f"{found.plain:.3f} ms: {ratio.value:.2f} of it ({ratio.low:.2f} to {ratio.high:.2f}); "
        f"{said}."
    )


def _next() -> str:
    return f"""
In an app:
  import calexnet
  cascade = calexnet.load("{_BUNDLE}")
  result = cascade(images)  # uint8 (n, 32, 32, 3) -> labels, scores, exits
The whole report:  calexnet bench {_BUNDLE} --data {_IMAGES} --out report"""
