"""A bundle's cascade at a narrower precision: graphs, thresholds of its own, and its parity.

Everything starts from the float32 graphs in the bundle, so the run and torch are not needed.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet import rules
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint, operating_point
from calexnet.export import TARGETS, portable
from calexnet.export.calibration import Calibration
from calexnet.gating import ExitTable
from calexnet.manifest import Compiled, Manifest, with_build
from calexnet.parity import Parity, Side, compare
from calexnet.runtimes.loading import load_runner
from calexnet.runtimes.runner import Runner

#: The reference of every build: target and precision.
REFERENCE = (portable.TARGET, portable.PRECISION)

#: Samples to find parity on, of those that thresholds are calibrated on.
_PARITY = 1024


def narrow_build(bundle: Bundle, target: str, precision: str, calibration: Calibration) -> Compiled:
    """Write the cascade of `bundle` at `precision` into its folder; return the manifest's entry.

    Args:
        bundle: With the float32 graphs; its folder is being written.
        target: For which.
        precision: One that the target has, not full.
        calibration: Real samples.
    """
    images = _inputs(bundle, calibration)
    *segments, plain = import_module(TARGETS[target]).narrow(
        portable.read(bundle),
        bundle.folder,
        [branch.attach for branch in bundle.manifest.branches],
        precision,
        images[: calibration.record.ranged],
    )
    build = Compiled(
        target, precision, "segments", tuple(segments), plain, None, "not verified yet"
    )
    runner = load_runner(
        replace(bundle, manifest=with_build(bundle.manifest, build)), target, precision
    )
    answers = runner.answers(images)
    build = replace(
        build,
        operating_points=_calibrated(bundle.manifest, answers.exits, calibration),
        calibration=calibration.record,
    )
    parity = _parity(bundle, runner, build, images[:_PARITY], calibration.labels[:_PARITY])
    return replace(build, parity=parity, parity_reason=None)


def _inputs(bundle: Bundle, calibration: Calibration) -> NDArray[Any]:
    """Return the calibration images as the engines take them."""
    preprocessing = bundle.manifest.preprocessing
    if preprocessing.input == "uint8":
        return calibration.images
    return preprocessing.normalise(calibration.images)


def _calibrated(
    content: Manifest, exits: ExitTable, calibration: Calibration
) -> tuple[OperatingPoint, ...]:
    """Return every operating point anew, from the build's own scores."""
    rule, labels = rules.build(content.rule), calibration.labels
    classes = len(content.classes)
    return tuple(
        operating_point(
            point.name,
            point.setting,
            rule.calibrate(exits, labels, classes, point.setting),
            exits,
            labels,
        )
        for point in content.operating_points
    )


def _parity(
    bundle: Bundle,
    runner: Runner,
    build: Compiled,
    images: NDArray[Any],
    labels: NDArray[np.int64],
) -> Parity:
    """Return how the build follows the float32 graphs, each with its own thresholds."""
    reference = load_runner(bundle, *REFERENCE)
    tables = [point.table() for point in bundle.manifest.operating_points]
    point = bundle.manifest.operating_point(None, build)
    return compare(
        Side(" ".join(REFERENCE), reference.answers(images), reference.thresholds),
        Side(f"{build.target} {build.precision}", runner.answers(images), point.table()),
        labels,
        tables,
    )
