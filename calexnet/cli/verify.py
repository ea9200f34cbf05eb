"""``calexnet verify``: every build of a bundle against its float32 reference, on real images."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet import arguments as kinds
from calexnet import data
from calexnet.bundle import Bundle, open_bundle
from calexnet.cli import on_board
from calexnet.cli.parity import parity_lines
from calexnet.data.dataset import Dataset
from calexnet.data.split import recorded_test_part
from calexnet.errors import InputError, ParityError, RuntimeUnavailableError
from calexnet.manifest import FULL, Compiled
from calexnet.parity import Parity, Side, compare, score_difference
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.onnxruntime import AsWritten
from calexnet.runtimes.runner import Runner

HELP = "Compare every build of a bundle with its float32 reference: answers, exits, accuracy."

#: What all other builds are derived from: target and precision.
REFERENCE = ("onnxruntime", FULL)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bundle", type=Path, help="what calexnet-export wrote")
    parser.add_argument("--data", required=True, help="digits, a folder of images, or an .npz file")
    kinds.data_root(parser)
    parser.add_argument("--target", help="only builds for this one")
    parser.add_argument("--precision", help="only builds at this one")
    parser.add_argument(
        "--provider",
        help="the back end of the one --target, such as cuda or tensorrt for onnxruntime; that it "
        "does not work here is an error then",
    )
    parser.add_argument(
        "--all-samples", action="store_true", help="use all images, not the recorded test part"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="also by what margins answers and exits differ"
    )
    on_board.declare(parser)


def run(arguments: argparse.Namespace) -> int:
    """Compare and print; a full-precision build that decides otherwise is an error."""
    provider = arguments.provider
    if provider is not None and arguments.target is None:
        raise InputError(
            "a provider is one target's", got=repr(provider), fix="Name it by --target"
        )
    if arguments.on is not None:
        return on_board.run(arguments, ("calexnet", "verify"))
    bundle = open_bundle(arguments.bundle)
    content = bundle.manifest
    samples = data.load_alike(
        arguments.data, arguments.data_root, content.preprocessing, content.split
    )
    builds = _builds(bundle, arguments.target, arguments.precision)
    reference = load_runner(bundle, *REFERENCE)
    images, truth = recorded_images(bundle, samples, arguments.all_samples)
    side = Side(" ".join(REFERENCE), reference.answers(images), reference.thresholds)
    print(f"{len(truth)} {'' if arguments.all_samples else 'test '}images of {samples.name}")
    failed, skipped = [], []
    for build in builds:
        print(f"{_named(build, provider)}{_introduction(build, provider)}")
        if _is_reference(build, provider):
            continue
        try:
            parity = _compared(bundle, build, provider, side, images, truth)
        except RuntimeUnavailableError as missing:
            if provider is not None:
                raise
            print(f"  Skipped: {missing}")
            skipped.append(build)
            continue
        full = build.precision == FULL
        if not content.branches:  # nobody can leave early where there is no gate
            parity = replace(parity, early=None)
        lines = parity_lines(parity, full=full, verbose=arguments.verbose)
        print(*(f"  {line}" for line in lines), sep="\n")
        if full and not parity.is_rounding:
            failed.append(f"{_named(build, provider)}: {'; '.join(map(str, parity.breaches))}")
    _refuse_nothing([build for build in builds if not _is_reference(build, provider)], skipped)
    if failed:
        raise ParityError(
            "a build does not decide as the reference does",
            got="; ".join(failed),
            expected="differences that rounding explains",
            fix="Export it again; if that does not help, report it with the bundle",
        )
    return 0


def _introduction(build: Compiled, provider: str | None) -> str:
    """Return what stands beside a build's name."""
    if not _is_reference(build, provider):
        return ""
    known = build.parity
    if known is None or known.answers is None:
        return ": the reference"
    return (
        f": the reference; at export {known.answers} of {known.samples} answers differed from "
        f"{known.reference}'s"
    )


def _refuse_nothing(others: list[Compiled], skipped: list[Compiled]) -> None:
    """Do nothing if there was one build at least to compare, or none but the reference.

    Raises:
        RuntimeUnavailableError: All were skipped.
    """
    if others and len(skipped) == len(others):
        raise RuntimeUnavailableError(
            "nothing was verified",
            got=f"{' and '.join(build.name for build in others)}, whose runtime is missing",
            fix="Install it as told above, or verify where the bundle runs",
        )


def _builds(bundle: Bundle, target: str | None, precision: str | None) -> list[Compiled]:
    """Return what there is to verify, the reference itself among it.

    Raises:
        BundleError: There is no such build.
    """
    if target is not None:
        bundle.compiled(target, precision)
    found = [
        build
        for build in (bundle.manifest.compiled if target is None else bundle.manifest.builds)
        if target in (None, build.target) and precision in (None, build.precision)
    ]
    if not found:
        bundle.compiled(REFERENCE[0], precision)
    return found


def recorded_images(
    bundle: Bundle, samples: Dataset, everything: bool
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the recorded test part of `samples` as the bundle's graphs take it, and its labels.

    Args:
        bundle: Whose split counts.
        samples: Labelled images.
        everything: Take all of them.

    Raises:
        InputError: The samples do not fit, or the test part is unknown.
    """
    content = bundle.manifest
    samples.check_fits(content.preprocessing.image_shape, content.classes)
    rows = np.arange(len(samples))
    if not everything:
        rows = recorded_test_part(samples, content.split)
    return content.preprocessing.as_input(samples.images[rows]), samples.labels[rows]


def _is_reference(build: Compiled, provider: str | None) -> bool:
    """Return whether `build` is what all others are held against, on the processor."""
    return build.name == " ".join(REFERENCE) and provider in (None, "cpu")


def _compared(
    bundle: Bundle,
    build: Compiled,
    provider: str | None,
    reference: Side,
    images: NDArray[Any],
    truth: NDArray[np.int64],
) -> Parity:
    """Return how `build` compares.

    Raises:
        RuntimeUnavailableError: Its runtime is missing, or `provider` does not work here.
    """
    runner = load_runner(
        bundle, build.target, build.precision, layout=build.layout, provider=provider
    )
    return parity_with(reference, bundle, runner, images, truth)


def _named(build: Compiled, provider: str | None) -> str:
    return build.name if provider is None else f"{build.name} ({provider})"


def parity_with(
    reference: Side,
    bundle: Bundle,
    runner: Runner,
    images: NDArray[Any],
    truth: NDArray[np.int64],
) -> Parity:
    """Return how a build of `bundle` compares with `reference`, which answered these images.

    Args:
        reference: What the build is derived from.
        bundle: The build's.
        runner: Of the build.
        images: As the build takes them.
        truth: Their labels.
    """
    found = Side(runner.compiled.name, runner.answers(images), runner.thresholds)
    tables = [point.table() for point in bundle.manifest.operating_points]
    parity = compare(reference, found, truth, tables, bundle.manifest.rounding)
    if runner.compiled.precision != FULL or parity.is_rounding:
        return parity
    # These images, or an older export that measured nothing: look before blaming the build.
    rounding = max(_rounding(bundle, reference, images), bundle.manifest.rounding or 0.0)
    return compare(reference, found, truth, tables, rounding)


def _rounding(bundle: Bundle, reference: Side, images: NDArray[Any]) -> float:
    """Return how far rounding moves the reference's scores on these very images.

    Half of what another order of the same sums makes of them: either order is as far from exact.
    """
    reordered = load_runner(bundle, *REFERENCE, runs=AsWritten()).answers(images)
    return score_difference(reference.answers, reordered) / 2
