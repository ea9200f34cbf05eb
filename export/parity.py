"""A build of a bundle against the float32 graphs in it, on real samples."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet.bundle import Bundle
from calexnet.errors import ParityError
from calexnet.export.graph import portable
from calexnet.export.precisions.samples import Calibration
from calexnet.manifest import Compiled, Manifest, with_build
from calexnet.parity import Parity, Side, compare
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner

#: The reference of every build: target and precision.
REFERENCE = (portable.TARGET, portable.PRECISION)

#: Why a build has no parity until it is verified.
NOT_YET = "not verified yet"

#: Samples to find parity on, of those that thresholds are calibrated on.
_SAMPLES = 1024


def verified(bundle: Bundle, build: Compiled, calibration: Calibration) -> Compiled:
    """Return `build`, at full precision, with the parity that its runtime shows.

    Args:
        bundle: Its folder holds the build's files.
        build: Not in the manifest yet.
        calibration: Real samples.

    Raises:
        ParityError: It decides otherwise than rounding explains.
        RuntimeUnavailableError: Its runtime is not here.
    """
    held = replace(bundle, manifest=with_build(bundle.manifest, build))
    runner = load_runner(held, build.target, build.precision)
    parity = parity_of(bundle, runner, runner.thresholds, calibration)
    refuse_beyond_rounding(parity, build.name, "the portable graphs")
    return replace(build, parity=parity, parity_reason=None)


def verified_before(held: Manifest, build: Compiled) -> Compiled:
    """Return `build`, or the earlier entry of the same files in `held` if that was verified."""
    for earlier in held.compiled:
        known = replace(build, parity=earlier.parity, parity_reason=earlier.parity_reason)
        if build.parity is None and earlier.parity is not None and earlier == known:
            return earlier
    return build


def parity_of(
    bundle: Bundle, runner: Runner, thresholds: NDArray[np.float32], calibration: Calibration
) -> Parity:
    """Return how `runner` follows the float32 graphs of `bundle`, each with its own thresholds."""
    images = bundle.manifest.preprocessing.as_input(calibration.images[:_SAMPLES])
    reference = load_runner(bundle, *REFERENCE)
    return compare(
        side(reference, images),
        replace(side(runner, images), thresholds=thresholds),
        calibration.labels[:_SAMPLES],
        [point.table() for point in bundle.manifest.operating_points],
        bundle.manifest.rounding,
    )


def side(runner: Runner, images: NDArray[Any]) -> Side:
    """Return what `runner` answers for `images`, as one side of a comparison."""
    return Side(runner.compiled.name, runner.answers(images), runner.thresholds)


def refuse_beyond_rounding(parity: Parity, what: str, reference: str) -> None:
    """Do nothing if rounding explains every difference.

    Raises:
        ParityError: It does not.
    """
    if not parity.is_rounding:
        raise ParityError(
            f"{what} decides otherwise than {reference} that it is made of",
            got=f"{'; '.join(map(str, parity.breaches))}, on {parity.samples} real images",
            expected="differences that rounding explains",
            fix="This is a fault of the export; please report it with the bundle",
        )
