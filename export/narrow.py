"""A bundle's cascade at a narrower precision: graphs, thresholds of its own, and its parity.

Everything starts from the float32 graphs in the bundle, so the run and torch are not needed.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from calexnet import rules
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint, operating_point
from calexnet.export import TARGETS, portable
from calexnet.export.calibration import Calibration
from calexnet.export.parity import NOT_YET, parity_of
from calexnet.gating import ExitTable
from calexnet.manifest import SEGMENTS, Compiled, Manifest, with_build
from calexnet.runtimes.loading import load_runner


def narrow_build(bundle: Bundle, target: str, precision: str, calibration: Calibration) -> Compiled:
    """Write the cascade of `bundle` at `precision` into its folder; return the manifest's entry.

    Args:
        bundle: With the float32 graphs; its folder is being written.
        target: For which.
        precision: One that the target has, not full.
        calibration: Real samples.
    """
    from calexnet.export.precisions.rejoin import narrow_cascade

    images = bundle.manifest.preprocessing.as_input(calibration.images)
    *segments, plain = import_module(TARGETS[target]).compile(
        narrow_cascade(
            portable.read(bundle),
            [branch.attach for branch in bundle.manifest.branches],
            precision,
            images[: calibration.record.ranged],
        ),
        bundle.folder,
        f"{target}/{precision}",
    )
    build = Compiled(target, precision, SEGMENTS, tuple(segments), plain, None, NOT_YET)
    runner = load_runner(
        replace(bundle, manifest=with_build(bundle.manifest, build)), target, precision
    )
    answers = runner.answers(images)
    build = replace(
        build,
        operating_points=_calibrated(bundle.manifest, answers.exits, calibration),
        calibration=calibration.record,
    )
    thresholds = bundle.manifest.operating_point(None, build).table()
    parity = parity_of(bundle, runner, thresholds, calibration)
    return replace(build, parity=parity, parity_reason=None)


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
