"""A bundle's cascade at a narrower precision: graphs, thresholds of its own, and its parity.

Everything starts from the float32 graphs in the bundle, so the run and torch are not needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calexnet import rules
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint, cut_networks, operating_point
from calexnet.certify import counts
from calexnet.export.graph import portable
from calexnet.export.parity import NOT_YET, REFERENCE, parity_of
from calexnet.export.precisions.samples import Calibration
from calexnet.export.targets import FileTarget, target_of
from calexnet.gating import ExitTable
from calexnet.manifest import SEGMENTS, CalibrationRecord, Compiled, Manifest, with_build
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.rules.base import Rule
from calexnet.rules.transfer import carried, surely_worse
from calexnet.runtimes.loading import load_runner


def narrow_build(
    bundle: Bundle,
    target: str,
    precision: str,
    calibration: Calibration,
    allow: Allowed = BUILT_IN_ONLY,
) -> Compiled:
    """Write the cascade of `bundle` at `precision` into its folder; return the manifest's entry.

    Args:
        bundle: With the float32 graphs; its folder is being written.
        target: For which.
        precision: One that the target has, not full.
        calibration: Real samples.
        allow: Whose own threshold rule may be imported.
    """
    rule = rules.build(bundle.manifest.rule, allow)  # before minutes of work
    images = bundle.manifest.preprocessing.as_input(calibration.images)
    build = write_narrow(bundle, target, precision, images[: calibration.record.ranged])
    runner = load_runner(
        replace(bundle, manifest=with_build(bundle.manifest, build)), target, precision
    )
    reference, answers = load_runner(bundle, *REFERENCE).answers(images), runner.answers(images)
    right = reference.plain_labels == calibration.labels
    build = replace(
        build,
        operating_points=_points(
            bundle.manifest, rule, reference.exits, answers.exits, calibration, right
        ),
        calibration=_record(target, precision, calibration),
        plain_counts=counts(right, answers.plain_labels == calibration.labels),
        cuts=cut_networks(answers.exits, calibration.labels, right),
    )
    thresholds = bundle.manifest.operating_point(None, build).table()
    parity = parity_of(bundle, runner, thresholds, calibration)
    return replace(build, parity=parity, parity_reason=None)


def _record(target: str, precision: str, calibration: Calibration) -> CalibrationRecord:
    """Return what the build was calibrated on; ranges only where its files were narrowed."""
    as_they_are = precision in _compiler(target, precision).as_they_are
    return replace(calibration.record, ranged=0) if as_they_are else calibration.record


def _compiler(target: str, precision: str) -> FileTarget:
    compiler = target_of(target, precision)
    assert isinstance(compiler, FileTarget), "engines are built by build_engines"
    return compiler


def write_narrow(bundle: Bundle, target: str, precision: str, images: NDArray[Any]) -> Compiled:
    """Write the graphs alone; the entry returned has the cascade's own thresholds still.

    Args:
        bundle: See `narrow_build`.
        target: Likewise.
        precision: Likewise.
        images: To find ranges on, as engines take them.
    """
    branches = bundle.manifest.branches
    attach = [branch.attach for branch in branches if not branch.is_network]
    compiler = _compiler(target, precision)
    full = portable.read(bundle)
    compiler.check(full)
    graphs = full
    if precision not in compiler.as_they_are:
        from calexnet.export.precisions.rejoin import narrow_cascade

        graphs = narrow_cascade(full, attach, precision, images)
    *segments, plain = compiler.compile(graphs, bundle.folder, f"{target}/{precision}")
    return Compiled(target, precision, SEGMENTS, tuple(segments), plain, None, NOT_YET)


def _points(
    content: Manifest,
    rule: Rule,
    reference: ExitTable,
    found: ExitTable,
    calibration: Calibration,
    right: NDArray[np.bool_],
) -> tuple[OperatingPoint, ...]:
    """Return every operating point for the build's own scores.

    The full-precision one is carried over; by the cascade's rule it is found anew only if, carried
    over, leaving early surely costs this build more than it costs that one.
    """
    labels, points = calibration.labels, []
    for point in content.operating_points:
        table = carried(point.table(), reference, found)
        if surely_worse(reference, point.table(), found, table, labels):
            table = rule.calibrate(found, labels, len(content.classes), point.setting)
        points.append(operating_point(point.name, point.setting, table, found, labels, right))
    return tuple(points)
