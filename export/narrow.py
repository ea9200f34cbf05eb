"""A bundle's cascade at a narrower precision: graphs, thresholds of its own, and its parity.

Everything starts from the float32 graphs in the bundle, so the run and torch are not needed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from calexnet import rules
from calexnet.bundle import Bundle
from calexnet.calibration import OperatingPoint, operating_point
from calexnet.export import portable
from calexnet.export.calibration import Calibration
from calexnet.export.compilers import FileTarget, target_of
from calexnet.export.parity import NOT_YET, parity_of
from calexnet.gating import ExitTable
from calexnet.manifest import SEGMENTS, Compiled, Manifest, with_build
from calexnet.registry import BUILT_IN_ONLY, Allowed
from calexnet.rules.base import Rule
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
    answers = runner.answers(images)
    build = replace(
        build,
        operating_points=_calibrated(bundle.manifest, rule, answers.exits, calibration),
        calibration=calibration.record,
    )
    thresholds = bundle.manifest.operating_point(None, build).table()
    parity = parity_of(bundle, runner, thresholds, calibration)
    return replace(build, parity=parity, parity_reason=None)


def write_narrow(bundle: Bundle, target: str, precision: str, images: NDArray[Any]) -> Compiled:
    """Write the graphs alone; the entry returned has the cascade's own thresholds still.

    Args:
        bundle: See `narrow_build`.
        target: Likewise.
        precision: Likewise.
        images: To find ranges on, as engines take them.
    """
    from calexnet.export.precisions.rejoin import narrow_cascade

    attach = [branch.attach for branch in bundle.manifest.branches]
    graphs = narrow_cascade(portable.read(bundle), attach, precision, images)
    compiler = target_of(target, precision)
    assert isinstance(compiler, FileTarget), "engines are built by build_engines"
    *segments, plain = compiler.compile(graphs, bundle.folder, f"{target}/{precision}")
    return Compiled(target, precision, SEGMENTS, tuple(segments), plain, None, NOT_YET)


def _calibrated(
    content: Manifest, rule: Rule, exits: ExitTable, calibration: Calibration
) -> tuple[OperatingPoint, ...]:
    """Return every operating point anew, from the build's own scores."""
    labels, classes = calibration.labels, len(content.classes)
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
